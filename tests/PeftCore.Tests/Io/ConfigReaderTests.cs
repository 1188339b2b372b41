using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using PeftCore.Io;

namespace PeftCore.Tests.Io;

public sealed class ConfigReaderTests
{
    private static readonly ConfigReader Config = ConfigReader.Parse(
        """
        {"i": 7, "f": 1e-05, "whole": 16.0, "s": "x", "t": true, "n": null, "list": ["a", "b"], "ints": [1, 2], "big": 4294967296,
         "o": {"inner": {"k": "v"}}, "empty": []}
        """, "config.json");

    [Test]
    public void Fields_read_as_their_types()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Config.Int("i"), Is.EqualTo(7));
            Assert.That(Config.Int("whole"), Is.EqualTo(16));
            Assert.That(Config.Float("f"), Is.EqualTo(1e-5));
            Assert.That(Config.Float("i"), Is.EqualTo(7.0));
            Assert.That(Config.String("s"), Is.EqualTo("x"));
            Assert.That(Config.Bool("t"));
            Assert.That(Config.Strings("list"), Is.EqualTo(["a", "b"]));
            Assert.That(Config.Strings("empty"), Is.Empty);
            Assert.That(Config.IntsOrNull("ints"), Is.EqualTo([1, 2]));
            Assert.That(Config.FloatsOrNull("ints"), Is.EqualTo([1.0, 2.0]));
            Assert.That(Config.Object("o").Object("inner").String("k"), Is.EqualTo("v"));
            Assert.That(Config.Choice("s", null, "x", "y"), Is.EqualTo("x"));
            Assert.That(Config.Names.First(), Is.EqualTo("i"));
        }
    }

    [Test]
    public void Null_counts_as_absent()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Config.Has("n"), Is.False);
            Assert.That(Config.Int("n", 3), Is.EqualTo(3));
            Assert.That(Config.IntOrNull("n"), Is.Null);
            Assert.That(Config.FloatOrNull("none"), Is.Null);
            Assert.That(Config.StringOrNull("n"), Is.Null);
            Assert.That(Config.Bool("none", true));
            Assert.That(Config.StringsOrNull("n"), Is.Null);
            Assert.That(Config.ObjectOrNull("n"), Is.Null);
            Assert.That(() => Config.Int("n"), Throws.TypeOf<BadInputException>()
                .With.Message.EqualTo("config.json: field \"n\" is missing, expected an integer."));
        }
    }

    [Test]
    public void Wrong_fields_are_named_with_what_was_found_and_expected()
    {
        void Fails(Func<object?> read, string sentence) =>
            Assert.That(() => read(), Throws.TypeOf<BadInputException>().With.Message.EqualTo($"config.json: field {sentence}."));
        using (Assert.EnterMultipleScope())
        {
            Fails(() => Config.Int("s"), "\"s\" is \"x\", expected an integer");
            Fails(() => Config.Int("f"), "\"f\" is 1e-05, expected an integer");
            Fails(() => Config.Int("big"), "\"big\" is 4294967296, expected an integer");
            Fails(() => Config.Int("i", min: 8), "\"i\" is 7, expected an integer of at least 8");
            Fails(() => Config.Int("i", min: 1, max: 6), "\"i\" is 7, expected an integer from 1 to 6");
            Fails(() => Config.Float("i", max: 1), "\"i\" is 7, expected a number of at most 1");
            Fails(() => Config.Bool("i"), "\"i\" is 7, expected true or false");
            Fails(() => Config.String("o"), "\"o\" is an object, expected a string");
            Fails(() => Config.Strings("s"), "\"s\" is \"x\", expected a list of strings");
            Fails(() => Config.Strings("ints"), "\"ints\" holds 1, expected a list of strings");
            Fails(() => Config.IntsOrNull("list"), "\"list\" holds \"a\", expected a list of integers");
            Fails(() => Config.Object("list"), "\"list\" is a list, expected an object");
            Fails(() => Config.Object("o").Object("inner").Int("k"), "\"o.inner.k\" is \"v\", expected an integer");
            Fails(() => Config.Choice("s", null, "y", "z"), "\"s\" is \"x\", expected one of y, z");
        }
    }

    [TestCase("", "empty")]
    [TestCase("[]", "expected, found a list")]
    [TestCase("{", "not valid JSON at line 1")]
    [TestCase("{\"a\":1,}", "not valid JSON at line 1")]
    [TestCase("{\n\"a\":1,\n\"a\":2}", "field \"a\" stands twice with different values, 1 and 2; keep one of them")]
    [TestCase("{\"o\":{\"a\":true,\"a\":\"x\"}}", "field \"o.a\" stands twice with different values, true and \"x\"")]
    [TestCase("{\"o\":[{\"a\":1,\"a\":{}}]}", "field \"o.a\" stands twice")]
    [TestCase("{\"a\":1,\"\\u0061\":2}", "field \"a\" stands twice")]
    [TestCase("{\"a\":NaN}", "not valid JSON at line 1")]
    [TestCase("{\"a\":-Infinity}", "not valid JSON at line 1")]
    [TestCase("{\"a\":1} // end", "not valid JSON at line 1")]
    [TestCase("{\"a\":1}{\"a\":1}", "not valid JSON at line 1")]
    [TestCase("{\"a\":\"\\ud800\"}", "not valid JSON")]
    public void A_file_that_is_no_object_is_refused(string text, string reason)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["c.json"], text);
        Assert.That(() => ConfigReader.Open(directory["c.json"]), Throws.TypeOf<BadInputException>()
            .With.Message.StartsWith(directory["c.json"]).And.Message.Contains(reason));
    }

    [Test]
    public void A_byte_order_mark_is_skipped_and_broken_utf8_refused()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllBytes(directory["c.json"], [0xEF, 0xBB, 0xBF, .. "{\"a\":1}"u8]);
        Assert.That(ConfigReader.Open(directory["c.json"]).Int("a"), Is.EqualTo(1));
        File.WriteAllBytes(directory["c.json"], [.. "{\"a\":\""u8, 0xFF, .. "\"}"u8]);
        Assert.That(() => ConfigReader.Open(directory["c.json"]), Throws.TypeOf<BadInputException>().With.Message.Contains("UTF-8"));
    }

    [Test]
    public void A_field_that_stands_twice_with_one_value_is_one_field()
    {
        var config = ConfigReader.Parse("""{"a": 1, "o": {"b": [1, {"c": null}], "b": [1, {"c": null}]}, "a": 1.0}""", "config.json");
        Assert.That(config.Names, Is.EqualTo(["a", "o"]));
        Assert.That(config.Int("a"), Is.EqualTo(1));
        Assert.That(config.Object("o").Names, Is.EqualTo(["b"]));
    }

    [Test]
    public void Brackets_beyond_any_use_are_a_sentence()
    {
        string deep = string.Concat(Enumerable.Repeat("{\"a\":", 5000)) + "1" + new string('}', 5000);
        Assert.That(() => ConfigReader.Parse(deep, "config.json"), Throws.TypeOf<BadInputException>().With.Message.Contains("depth of 64"));
    }

    [Test]
    public void Written_json_reads_back()
    {
        using var directory = new TemporaryDirectory();
        JsonFile.Write(directory["c.json"], new JsonObject { ["name"] = "é<&>", ["list"] = new JsonArray(1, 2) });
        Assert.That(File.ReadAllText(directory["c.json"]), Is.EqualTo("{\n  \"name\": \"é<&>\",\n  \"list\": [\n    1,\n    2\n  ]\n}\n"));
        Assert.That(ConfigReader.Open(directory["c.json"]).String("name"), Is.EqualTo("é<&>"));
    }

    [Test]
    public void No_mutation_of_a_config_throws_anything_but_its_sentence()
    {
        using var directory = new TemporaryDirectory();
        byte[] valid = File.ReadAllBytes(TestFiles.Fixture("hf", "llama", "base", "config.json"));
        Gen<(int At, int Byte)[]> edits = (from at in Gen.Choose(0, valid.Length - 1)
                                           from value in Gen.Choose(0,
            255)
                                           select (at, value)).ArrayOf(3);
        Prop.ForAll(edits.ToArbitrary(), changes =>
        {
            byte[] bytes = [.. valid];
            foreach ((int at, int value) in changes)
            {
                bytes[at] = (byte)value;
            }

            try
            {
                File.WriteAllBytes(directory["c.json"], bytes);
                var config = ConfigReader.Open(directory["c.json"]);
                return config.Names.All(n => n.Length == 0 || config.Has(n) == (config.Raw(n) is not null))
                    && (config.IntOrNull("hidden_size") ?? 0) < int.MaxValue;
            }
            catch (BadInputException e)
            {
                return e.Message.StartsWith(directory["c.json"], StringComparison.Ordinal);
            }
        }).Check(FsCheck.Config.QuickThrowOnFailure.WithMaxTest(1000).WithReplay(1, 3));
    }
}

using System.CommandLine;
using System.Text;
using PeftCore.Cli.Options;

namespace PeftCore.Cli.Tests.Options;

/// <summary>Types of values in YAML and JSON, and conversion to settings.</summary>
public sealed class SettingsFileTests
{
    [TestCase("lora_r: [4, 8]", "lora_r is a list, expected a whole number of at least 1")]
    [TestCase("lora_r: [8]", "lora_r is a list")]
    [TestCase("lora_r: {a: 1}", "holds further names")]
    [TestCase("model: [a, b]", "model is a list, expected one text")]
    [TestCase("learning_rate: 0,0001", "is \"0,0001\", expected a number")]
    [TestCase("learning_rate: \"0,0001\"", "is \"0,0001\", expected a number")]
    [TestCase("learning_rate: 1,5e-4", "is \"1,5e-4\"")]
    [TestCase("lora_r: 010", "is 010, which YAML 1.1 reads in base 8 and YAML 1.2 in base 10; write it without the leading zero")]
    [TestCase("lora_r: 0o10", "is \"0o10\", expected a whole number")]
    [TestCase("lora_r: 0x10", "is \"0x10\"")]
    [TestCase("lora_r: 1_000", "is \"1_000\", expected a whole number of at least 1; digits are written without underscores")]
    [TestCase("lora_r: 1:30", "is \"1:30\"")]
    [TestCase("learning_rate: .inf", "is \".inf\"")]
    [TestCase("learning_rate: .nan", "is \".nan\"")]
    [TestCase("learning_rate: 2024-01-01", "is \"2024-01-01\"")]
    [TestCase("lora_r: yes", "lora_r is yes, which the file's language reads as true, expected a whole number")]
    [TestCase("target_modules: no", "target_modules is no, which the file's language reads as false, expected a text; put it in quotes")]
    [TestCase("target_modules: [q_proj, off]", "target_modules is off, which the file's language reads as false")]
    [TestCase("bias: no", "bias is no, which the file's language reads as false, expected none, lora_only or all")]
    [TestCase("method: true", "method is true")]
    [TestCase("use_dora: yEs", "use_dora is \"yEs\", expected true or false")]
    [TestCase("use_dora: \"yes\"", "use_dora is \"yes\", expected true or false")]
    [TestCase("use_dora: 1", "use_dora is \"1\", expected true or false")]
    [TestCase("use_dora: !!python/object x", "has the tag")]
    [TestCase("lora_r: 4\nlora_r: 8", "uplicate key")]
    [TestCase("lora_r: 4\nlora-r: 8", "line 2: lora-r is the same setting as lora_r above; write it once")]
    [TestCase("num_epochs: 4\nnum_train_epochs: 8", "line 2: num_train_epochs is the same setting as num_epochs above")]
    [TestCase("base: &b\n  lora_r: 4\n<<: *b", "holds further names")]
    [TestCase("<<: {lora_r: 4}", "asks to merge another mapping")]
    [TestCase("lora_r:\t4\n\tseed: 1", "not valid YAML")]
    [TestCase("lora_r: 4\n---\nlora_r: 8", "expected one YAML document with settings, found 2")]
    [TestCase("[a, b]: 1", "the name of a setting was expected, found a list")]
    [TestCase("1: 2", "line 1: 1 is not a setting")]
    [TestCase("learning_rte: 1e-4", "did you mean learning_rate")]
    [TestCase("target_modules: [a, [b]]", "holds a list in a list")]
    [TestCase("target_modules: [a, ~]", "holds null in a list")]
    [TestCase("target_modules: [\"a,b\"]", "a comma inside an item")]
    [TestCase("token_indices: [\"1,5\"]", "a comma inside an item")]
    [TestCase("lora_r: *nowhere", "not valid YAML")]
    public void Yaml_that_means_something_else_is_refused(string text, string sentence) =>
        Assert.That(() => Read("run.yaml", text), Throws.TypeOf<BadInputException>().With.Message.Contains("run.yaml").And.Message.Contains(
            sentence));

    [TestCase("{\"learning_rate\": \"0,0001\"}", "is \"0,0001\", expected a number")]
    [TestCase("{\"lora_r\": [4, 8]}", "lora_r is a list")]
    [TestCase("{\"lora_r\": 4, \"lora_r\": 8}", "field \"lora_r\" stands twice with different values, 4 and 8")]
    [TestCase("{\"lora_r\": 4, \"lora-r\": 4}", "is the same setting as lora_r above")]
    [TestCase("{\"lora_r\": 4, // rank\n\"seed\": 1}", "not valid JSON")]
    [TestCase("{\"lora_r\": 4,}", "not valid JSON")]
    [TestCase("{\"lora_r\": 1.5}", "is \"1.5\"")]
    [TestCase("{\"lora_r\": 1e10}", "is \"1e10\"")]
    [TestCase("{\"lora_r\": true}", "reads as true")]
    [TestCase("{\"use_dora\": \"no\"}", "is \"no\", expected true or false")]
    [TestCase("{\"use_dora\": 0}", "is \"0\", expected true or false")]
    [TestCase("{\"target_modules\": false}", "reads as false")]
    [TestCase("{\"target_modules\": [\"a\", null]}", "holds null in a list")]
    [TestCase("{\"model\": {\"path\": \"x\"}}", "holds an object")]
    [TestCase("{\"learning_rate\": NaN}", "not valid JSON")]
    public void Json_that_means_something_else_is_refused(string text, string sentence) =>
        Assert.That(() => Read("run.json", text), Throws.TypeOf<BadInputException>().With.Message.Contains("run.json").And.Message.Contains(
            sentence));

    [TestCase("yes", true)]
    [TestCase("Yes", true)]
    [TestCase("on", true)]
    [TestCase("TRUE", true)]
    [TestCase("\"true\"", true)]
    [TestCase("!!bool yes", true)]
    [TestCase("no", false)]
    [TestCase("NO", false)]
    [TestCase("off", false)]
    [TestCase("false", false)]
    [TestCase("\"false\"", false)]
    public void Booleans_of_yaml_are_what_python_reads(string text, bool value) =>
        Assert.That(Read("run.yaml", $"gradient_checkpointing: {text}").GradientCheckpointing, Is.EqualTo(value));

    [TestCase("1e-4", 1e-4)]
    [TestCase("1.5E-4", 1.5e-4)]
    [TestCase(".5", 0.5)]
    [TestCase("5.", 5)]
    [TestCase("+1", 1)]
    [TestCase("\"0.25\"", 0.25)]
    [TestCase("!!float 1", 1)]
    public void Numbers_of_yaml_are_read_as_they_stand(string text, double value) =>
        Assert.That(Read("run.yaml", $"learning_rate: {text}").LearningRate, Is.EqualTo(value));

    [Test]
    public void Lists_anchors_nulls_and_long_seeds_are_read()
    {
        var options = Read("run.yaml",
            "\uFEFFtarget_modules: [q_proj, v_proj]\nlora_r: &rank 16\nnum_virtual_tokens: *rank\nseed: 9007199254740993\neval_steps: ~\n" +
            "save_steps: null\n"
            + "modules_to_save: []\ninit_lora_weights: no\noutput_dir: \"no\"\n");
        Assert.That((options.TargetModules, options.LoraR, options.NumVirtualTokens, options.Seed),
            Is.EqualTo(("q_proj,v_proj", 16, (int?)16, 9007199254740993UL)));
        Assert.That((options.EvalSteps, options.ModulesToSave, options.InitLoraWeights, options.OutputDir),
            Is.EqualTo(((int?)null, "", "false", "no")));
        Assert.That(Read("run.json",
            """{"lora_r": 16.0, "seed": 18446744073709551615, "use_dora": "false", "target_modules": "q_proj", "learning_rate": "1e-3"}"""),
            Is.EqualTo(new TrainOptions { LoraR = 16, Seed = ulong.MaxValue, TargetModules = "q_proj", LearningRate = 1e-3 }));
    }

    [Test]
    public void A_file_of_nothing_but_brackets_is_refused()
    {
        Assert.That(() => Read("run.yaml", "target_modules: " + new string('[', 200_000)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("nested more than 8 deep"));
        Assert.That(() => Read("run.yaml", string.Concat(Enumerable.Repeat("- ", 100_000))),
            Throws.TypeOf<BadInputException>().With.Message.Contains("nested more than 8 deep"));
    }

    [Test]
    public void A_file_that_is_not_utf_8_is_refused()
    {
        using var directory = new TemporaryDirectory();
        string file = Path.Combine(directory.FullPath, "run.yaml");
        File.WriteAllBytes(file, Encoding.Latin1.GetBytes("output_dir: caf\u00E9\n"));
        Assert.That(() => SettingsFile.Read(file), Throws.TypeOf<BadInputException>().With.Message.Contains("not valid UTF-8"));
        Assert.That(() => SettingsFile.Read(directory.FullPath),
            Throws.TypeOf<BadInputException>().With.Message.Contains("this is a directory"));
    }

    [Test]
    public void No_broken_file_throws_anything_but_its_sentence()
    {
        string[] pieces = ["lora_r", ": ", "8", "\n", "- ", "[", "]", "{", "}", "yes", "&a ", "*a", "\"", "'", "!!int ", "|", ">", "\t",
            "#", ",", "---\n", "<<", "~", "1e-4", "use_dora", "? ", "%", "@", "0", "\u0085", "é"];
        var random = new Random(11);
        int read = 0;
        for (int i = 0; i < 2000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                Read(i % 4 == 0 ? "run.json" : "run.yaml", text);
                read++;
            }
            catch (BadInputException e)
            {
                Assert.That(e.Message, Does.Contain("run."), text);
            }
        }
        Assert.That(read, Is.GreaterThan(10));
    }

    private static TrainOptions Read(string name, string text)
    {
        using var directory = new TemporaryDirectory();
        var settings = new Settings<TrainOptions>();
        var command = new Command("train", "");
        settings.AddTo(command);
        return settings.Read(command.Parse(["-c", directory.Write(name, text)]));
    }
}

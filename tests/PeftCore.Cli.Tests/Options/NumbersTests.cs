using System.Globalization;
using System.Text.Json;

namespace PeftCore.Cli.Tests.Options;

/// <summary>Parsing of numbers in all inputs of the tool: flags, settings files, lists, fields of methods, the environment.</summary>
public sealed class NumbersTests
{
    private static readonly string[] Plan = ["plan", "--model", Bundled.BaseLlama, "--max-seq-length", "8", "--batch-size", "1"];

    [TestCase("train", "--learning-rate", "0,0001")]
    [TestCase("train", "--learning-rate", "1,5e-4")]
    [TestCase("train", "--lora-r", "4,8")]
    [TestCase("train", "--lora-r", "1_000")]
    [TestCase("train", "--lora-r", "1 000")]
    [TestCase("train", "--lora-r", "0x10")]
    [TestCase("train", "--lora-r", "8.5")]
    [TestCase("train", "--lora-r", "2147483648")]
    [TestCase("train", "--lora-alpha", "1e400")]
    [TestCase("train", "--learning-rate", "1e-400")]
    [TestCase("train", "--learning-rate", "(1)")]
    [TestCase("train", "--learning-rate", "1-")]
    [TestCase("train", "--learning-rate", " 1")]
    [TestCase("train", "--learning-rate", "-inf")]
    [TestCase("train", "--warmup-ratio", "0,1")]
    [TestCase("train", "--seed", "18446744073709551616")]
    [TestCase("train", "--seed", "1,5")]
    [TestCase("train", "--threads", "2,5")]
    [TestCase("train", "--max-memory", "1,5GiB")]
    [TestCase("train", "--use-dora", "yes")]
    [TestCase("generate", "--temperature", "0,7")]
    [TestCase("chat", "--top-p", "0,95")]
    [TestCase("select", "--density", "0,01")]
    [TestCase("select", "--threshold", "1,000")]
    [TestCase("compare", "--max-steps", "1,000")]
    [TestCase("demo", "--max-steps", "1,000")]
    [TestCase("plan", "--lora-r", "4,8")]
    public void A_flag_that_is_no_number_is_refused_with_its_value(string verb, string flag, string value)
    {
        var run = ToolRun.Of(verb, flag, value);
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain(value.Trim()));
    }

    [TestCase("eval", "--batch-size", "4,8")]
    [TestCase("eval", "--batch-size", "0")]
    [TestCase("eval", "--batch-size", " 8")]
    [TestCase("eval", "--max-seq-length", "1,024")]
    [TestCase("eval", "--max-seq-length", "-1")]
    [TestCase("convert", "--rank", "4,8")]
    [TestCase("convert", "--rank", "0")]
    public void Options_outside_of_settings_files_read_numbers_the_same_way(string verb, string flag, string value)
    {
        string[] needed = verb == "convert" ? ["--adapter", "a", "--output-dir", "b"] : [];
        var run = ToolRun.Of([verb, flag, value, .. needed]);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain($"{flag} is \"{value}\", expected a whole number of at least 1"));
    }

    [TestCase("gemm", "--m", "1,024")]
    [TestCase("gemm", "--m", "0")]
    [TestCase("attention", "--kv-heads", "0")]
    [TestCase("step", "--steps", "0")]
    [TestCase("step", "--warmup", "-1")]
    public void Benchmarks_refuse_sizes_they_would_have_changed(string bench, string flag, string value)
    {
        var run = ToolRun.Of("bench", bench, flag, value);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain($"{flag} is \"{value}\""));
    }

    [Test]
    public void The_sentence_says_which_signs_numbers_have() => Assert.That(ToolRun.Of("train", "--learning-rate", "0,0001").Error,
        Is.EqualTo("peftcore: --learning-rate is \"0,0001\", expected a number of at least 0; numbers have a decimal point and no commas." +
            Environment.NewLine));

    [TestCase("r=4,8", "decimal point, not a comma")]
    [TestCase("lora_alpha=0,5", "decimal point, not a comma")]
    [TestCase("r=4,r=8", "the field r is given twice")]
    [TestCase("{\"r\": 4, \"r\": 8}", "--method-options is no JSON object")]
    [TestCase("r=4_8", "field \"r\" is \"4_8\", expected an integer")]
    [TestCase("r=1e400", "field \"r\" is 1e400, expected an integer")]
    [TestCase("no_such=1", "no field \"no_such\"")]
    [TestCase("target_modules=[q_proj,v_proj]", "which is no JSON; write texts in double quotes")]
    public void Fields_of_a_method_are_numbers_or_refused(string options, string sentence)
    {
        var run = ToolRun.Of([.. Plan, "--method-options", options]);
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [TestCase("0,001")]
    [TestCase("1,0005")]
    [TestCase("1e-3;1e-2")]
    [TestCase("1e400")]
    [TestCase("-1")]
    public void A_list_of_learning_rates_holds_numbers_above_zero(string rates)
    {
        var run = ToolRun.Of("compare", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--output-dir", "nowhere", "--methods",
            "lora", "--learning-rates", rates);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("is no learning rate; write numbers above 0 with a decimal point"));
    }

    [TestCase("1,05")]
    [TestCase("1,-2")]
    [TestCase("1,,2")]
    [TestCase("1.5")]
    public void A_list_of_tokens_holds_digits(string tokens)
    {
        var run = ToolRun.Of([.. Plan, "--method", "trainable_tokens", "--token-indices", tokens]);
        Assert.That(run.ExitCode, Is.EqualTo(tokens == "1,05" ? 0 : 2), run.Error);
    }

    [TestCase("16.0")]
    [TestCase("1.6e1")]
    [TestCase("+16")]
    [TestCase("16")]
    public void An_integer_is_told_by_its_value(string rank) =>
        Assert.That(ToolRun.Of([.. Plan, "--lora-r", rank, "--json"]).Json.GetProperty("trainable").GetInt64(),
            Is.EqualTo(ToolRun.Of([.. Plan, "--lora-r", "16", "--json"]).Json.GetProperty("trainable").GetInt64()));

    [Test]
    public void Neither_what_is_read_nor_what_is_written_depends_on_the_culture()
    {
        using var directory = new TemporaryDirectory();
        string[] train = ["train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--batch-size", "2", "--max-seq-length", "48",
            "--max-steps", "2", "--logging-steps", "1",
            "--learning-rate", "0.0015", "--target-modules", "q_proj", "--eval-steps", "2"];
        var before = CultureInfo.CurrentCulture;
        var german = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (german.NumberFormat.NumberDecimalSeparator, german.NumberFormat.NumberGroupSeparator, german.NumberFormat.NegativeSign) =
            (",", ".", "\u2212");
        string one = Path.Combine(directory.FullPath, "one"), other = Path.Combine(directory.FullPath, "other");
        var english = ToolRun.Of([.. train, "--output-dir", one]);
        ToolRun there;
        try
        {
            CultureInfo.CurrentCulture = german;
            there = ToolRun.Of([.. train, "--output-dir", other]);
            Assert.That(CultureInfo.CurrentCulture, Is.SameAs(german));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        Assert.That(there.ExitCode, Is.Zero, there.Error);
        Assert.That(there.Output + there.Error, Does.Contain("trainable params: ").And.Contain(" || all params: 3,2"));
        Assert.That(Verbs.RunOutcome.Log(other), Is.EqualTo(Verbs.RunOutcome.Log(one)));
        Assert.That(File.ReadAllText(Path.Combine(other, "training_loss.svg")),
            Is.EqualTo(File.ReadAllText(Path.Combine(one, "training_loss.svg"))));
        using var settings = JsonDocument.Parse(File.ReadAllText(Path.Combine(other, "training_settings.json")));
        Assert.That(settings.RootElement.GetProperty("learning_rate").GetString(), Is.EqualTo("0.0015"));
        Assert.That(there.Error.Split('\n').First(line => line.Contains("held-out loss")),
            Is.EqualTo(english.Error.Split('\n').First(line => line.Contains("held-out loss"))));
    }
}

using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Bases that are quantised while they are loaded, or stored so.</summary>
public sealed class QuantizationVerbTests
{
    private static readonly string Stored = Bundled.Fixture("hf", "llama_nf4_double", "base");

    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Create() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Delete() => _directory.Dispose();

    [TestCase("--load-in-4bit", "--bnb-4bit-use-double-quant")]
    [TestCase("--load-in-4bit", "--bnb-4bit-quant-type=fp4")]
    [TestCase("--load-in-8bit", "--llm-int8-threshold=0")]
    public void A_step_on_a_quantised_base_takes_what_is_planned(params string[] flags)
    {
        string[] all = ["--model", Bundled.BaseLlama, "--target-modules", "all-linear", "--batch-size", "2", "--max-seq-length", "32",
            .. flags];
        var plan = ToolRun.Of(["plan", "--json", .. all]).Json;
        var plain = ToolRun.Of(["plan", "--json", .. all[..^2]]).Json;
        var step = ToolRun.Of(["bench", "step", "--json", "--steps", "1", "--warmup", "1", .. all]).Json;
        var load = ToolRun.Of(["bench", "load", "--json", "--model", Bundled.BaseLlama, .. flags]).Json;

        Assert.That(step.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(plan.GetProperty("planned_bytes").GetInt64()));
        Assert.That(load.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(load.GetProperty("planned_bytes").GetInt64()));
        Assert.That(Frozen(plan), Is.LessThan(0.75 * Frozen(plain)));

        static double Frozen(JsonElement json) => json.GetProperty("at_peak").GetProperty("frozen").GetInt64();
    }

    [Test]
    public void An_adapter_is_trained_on_four_bits_and_used_on_them()
    {
        string output = Path.Combine(_directory.FullPath, "out");
        string[] flags = ["--model", Bundled.BaseLlama, "--load-in-4bit", "--bnb-4bit-use-double-quant"];
        var train = ToolRun.Of(["train", .. flags, "--data", Bundled.DemoData, "--lora-r", "4", "--batch-size", "2", "--max-seq-length",
            "64",
            "--max-steps", "2", "--output-dir", output, "--json"]);
        Assert.That(train.ExitCode, Is.Zero, train.Error);
        string settings = File.ReadAllText(Path.Combine(output, "training_settings.json"));
        Assert.That(settings, Does.Contain("\"load_in_4bit\": \"true\"").And.Contain("\"bnb_4bit_use_double_quant\": \"true\"")
            .And.Not.Contain("load_in_8bit"));

        string[] adapted = [.. flags, "--adapter", output];
        var eval = ToolRun.Of(["eval", .. adapted, "--data", Bundled.DemoData, "--json"]);
        var generate = ToolRun.Of(["generate", .. adapted, "--prompt", "x", "--max-new-tokens", "3", "--json"]);
        Assert.That((eval.ExitCode, generate.ExitCode), Is.EqualTo((0, 0)), eval.Error + generate.Error);
    }

    [Test]
    public void A_merge_writes_a_quantised_base_and_convert_makes_it_plain()
    {
        string merged = Path.Combine(_directory.FullPath, "merged"), plain = Path.Combine(_directory.FullPath, "plain");
        var merge = ToolRun.Of("merge", "--model", Stored, "--adapter", Bundled.Fixture("hf", "llama_nf4_double", "lora"),
            "--output-dir", merged);
        Assert.That(merge.ExitCode, Is.Zero, merge.Error);
        Assert.That(merge.Error, Does.Contain("relative error"));
        Assert.That(Inspect(merged).GetProperty("quantization").GetString(), Is.EqualTo("bitsandbytes (4 bits, nf4)"));

        var convert = ToolRun.Of("convert", "--dequantize", "--model", merged, "--output-dir", plain, "--json");
        Assert.That(convert.ExitCode, Is.Zero, convert.Error);
        Assert.That(Inspect(plain).GetProperty("quantization").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(Inspect(plain).GetProperty("parameters").GetInt64(), Is.EqualTo(Inspect(merged).GetProperty("parameters").GetInt64()));

        var again = ToolRun.Of("convert", "--dequantize", "--model", plain, "--output-dir", merged + "2");
        Assert.That((again.ExitCode, again.Error.Contains("the model is plain already", StringComparison.Ordinal)), Is.EqualTo((2,
            true)), again.Error);
    }

    [Test]
    public void Inspect_names_the_method_and_counts_the_numbers_behind_the_codes()
    {
        var json = Inspect(Stored);
        Assert.That(json.GetProperty("quantization").GetString(), Is.EqualTo("bitsandbytes (4 bits, nf4)"));
        Assert.That(json.GetProperty("parameters").GetInt64(), Is.EqualTo(86_464));
        Assert.That(ToolRun.Of("inspect", Stored).Output, Does.Match(@"quantised +bitsandbytes \(4 bits, nf4\)"));
    }

    private static IEnumerable<TestCaseData> Contradictions()
    {
        string[][] verbs =
        [
            ["train", "--data", Bundled.DemoData, "--output-dir", Path.Combine(Path.GetTempPath(), "no-such-output")], ["plan"], ["bench", "step"], ["bench", "generate"], ["bench", "load"], ["generate", "--prompt", "x"],
            ["eval", "--data", Bundled.DemoData], ["compare", "--data", "x", "--output-dir", "y"],
            ["merge", "--adapter", Bundled.Fixture("hf", "llama_nf4_double", "lora"), "--output-dir", Path.Combine(Path.GetTempPath(),
                "no-such-output")],
        ];
        foreach (string[] verb in verbs)
        {
            yield return new TestCaseData(verb, (string[])["--load-in-4bit", "--load-in-8bit"], "contradict each other");
        }
        yield return new TestCaseData((string[])["plan"], (string[])["--bnb-4bit-quant-type", "nf4"], "give --load-in-4bit as well");
        yield return new TestCaseData((string[])["plan"], (string[])["--bnb-4bit-use-double-quant"], "give --load-in-4bit as well");
        yield return new TestCaseData((string[])["plan"], (string[])["--load-in-4bit", "--llm-int8-threshold", "6"],
            "give --load-in-8bit as well");
        yield return new TestCaseData((string[])["plan"], (string[])["--llm-int8-skip-modules", "q_proj"],
            "give --load-in-4bit or --load-in-8bit");
        yield return new TestCaseData((string[])["plan"], (string[])["--load-in-4bit", "--bnb-4bit-quant-type", "nf8"], "nf4 or fp4");
        yield return new TestCaseData((string[])["plan"], (string[])["--load-in-4bit", "--bnb-4bit-quant-type", "fp4"],
            "stored in nf4, but fp4 is asked for");
        yield return new TestCaseData((string[])["eval", "--data", Bundled.DemoData], (string[])["--load-in-8bit"],
            "stored in nf4, but int8 is asked for");
        yield return new TestCaseData((string[])["plan"], (string[])["--load-in-4bit", "--llm-int8-skip-modules", "q_proj"],
            "is decided already");
    }

    [TestCaseSource(nameof(Contradictions))]
    public void Flags_that_contradict_each_other_or_the_base_are_refused_in_a_sentence(string[] verb, string[] flags, string expected)
    {
        var run = ToolRun.Of([.. verb, "--model", Stored, .. flags]);
        Assert.That((run.ExitCode, run.Error.Trim().Split('\n').Length), Is.EqualTo((2, 1)), run.Error);
        Assert.That(run.Error, Does.Contain(expected));
    }

    [TestCase("--adapter", "x", "leave what is about adapters out")]
    [TestCase("--rank", "4", "leave what is about adapters out")]
    public void Dequantize_takes_a_model_alone(string flag, string value, string expected) => Assert.That(
        ToolRun.Of("convert", "--dequantize", "--model", Stored, flag, value, "--output-dir", Path.Combine(_directory.FullPath, "o")).Error,
        Does.Contain(expected));

    [Test]
    public void The_commands_of_the_page_run()
    {
        foreach (string command in PageCommands.In("quantization.md", "## Commands"))
        {
            PageCommands.Run(_directory, command, word => word.StartsWith("out/", StringComparison.Ordinal));
        }
    }

    private static JsonElement Inspect(string directory) => ToolRun.Of("inspect", "--json", directory).Json;
}

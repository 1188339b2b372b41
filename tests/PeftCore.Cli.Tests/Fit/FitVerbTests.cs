using System.Text.Json;
using PeftCore.Ilgpu;

namespace PeftCore.Cli.Tests.Fit;

/// <summary>plan --fit and train --fit: what they print, what they keep, and what they refuse.</summary>
public sealed class FitVerbTests
{
    private static readonly string[] Llama = ["--model", Bundled.BaseLlama];

    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Create() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Delete() => _directory.Dispose();

    [Test]
    public void An_unquantised_base_comes_first_at_nearly_the_same_speed_and_the_printed_flags_plan_the_same_peak()
    {
        string[] limited = [.. Llama, "--max-memory", "64MiB"];
        var text = ToolRun.Of(["plan", "--fit", .. limited]);
        var proposals = Proposals(ToolRun.Of(["plan", "--fit", "--json", .. limited]));
        var (first, second) = (proposals[0], proposals[1]);
        string printed = text.Output.Split('\n').First(line => line.StartsWith("   --", StringComparison.Ordinal)).Trim();
        var plan = ToolRun.Of(["plan", "--json", .. limited, .. printed.Split(' ')]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((Quantized(first), Quantized(second)), Is.EqualTo((false, true)));
            Assert.That(Rate(second), Is.InRange(Rate(first), Rate(first) / 0.95));
            Assert.That(printed, Is.EqualTo(first.GetProperty("flags").GetString()));
            Assert.That(plan.ExitCode, Is.Zero, plan.Error);
            Assert.That(plan.Json.GetProperty("planned_bytes").GetInt64(), Is.EqualTo(first.GetProperty("planned_bytes").GetInt64()));
            Assert.That(text.Output, Does.Contain("within 64.0 MiB of cpu").And.Contain("quantised to NF4, which changes the loss"));
        }
    }

    [Test]
    public void A_quantised_base_comes_first_if_it_is_clearly_faster()
    {
        var proposals = Proposals(ToolRun.Of(["plan", "--fit", "--json", .. Llama, "--max-memory", "6MiB", "--max-seq-length", "64"]));
        var plain = proposals.Where(one => !Quantized(one)).ToList();
        Assert.That(Quantized(proposals[0]), Is.True);
        Assert.That(plain.Select(one => one.GetProperty("disk_bytes").GetInt64()), Is.Not.Empty.And.All.GreaterThan(0));
        Assert.That(plain.Select(Rate), Is.All.LessThan(0.95 * Rate(proposals[0])));
    }

    [Test]
    public void Sequences_are_halved_only_if_nothing_fits_at_twice_the_length()
    {
        string[] limited = ["plan", "--fit", "--json", .. Llama, "--max-memory", "6MiB"];
        int[] lengths = [.. Proposals(ToolRun.Of(limited)).Select(one => one.GetProperty("max_seq_length").GetInt32()).Distinct()];
        Assert.That(lengths, Has.Length.EqualTo(1));
        Assert.That(lengths[0], Is.LessThan(512));
        Assert.That(Proposals(ToolRun.Of([.. limited, "--max-seq-length", $"{2 * lengths[0]}"])), Is.Empty);
    }

    [Test]
    public void Settings_that_are_given_stay()
    {
        var proposals = Proposals(ToolRun.Of(["plan", "--fit", "--json", .. Llama, "--max-memory", "64MiB", "--batch-size", "3",
            "--max-seq-length", "40", "--gradient-checkpointing", "false", "--load-in-4bit", "--dtype", "f32"]));
        Assert.That(proposals.Select(one => one.GetProperty("flags").GetString()),
            Is.EquivalentTo((string[])["", "--bnb-4bit-use-double-quant"]));
        Assert.That(proposals.Select(one => (one.GetProperty("batch_size").GetInt32(), one.GetProperty("max_seq_length").GetInt32())),
            Is.All.EqualTo((3, 40)));
    }

    [Test]
    public void A_limit_that_nothing_keeps_is_refused_with_the_nearest_that_something_does()
    {
        string[] few = [.. Llama, "--batch-size", "1", "--max-seq-length", "64"];
        var refused = ToolRun.Of(["plan", "--fit", "--json", .. few, "--max-memory", "1MiB"]);
        Assert.That(refused.ExitCode, Is.EqualTo(1));
        Assert.That(Proposals(refused), Is.Empty);
        string sentence = refused.Json.GetProperty("refusal").GetString()!;
        string nearest = sentence.Split("the nearest limit that can be kept is ")[1].Split(',')[0];
        string flags = sentence.Split(", with ")[1];
        Assert.That(ToolRun.Of(["plan", .. few, "--max-memory", nearest, .. flags.Split(' ')]).ExitCode, Is.Zero, sentence);
        Assert.That(Proposals(ToolRun.Of(["plan", "--fit", "--json", .. few, "--max-memory", nearest])), Is.Not.Empty);
    }

    [Test]
    public void A_choice_that_the_method_refuses_is_left_out_and_told()
    {
        var fit = ToolRun.Of(["plan", "--fit", "--json", .. Llama, "--max-memory", "64MiB", "--init-lora-weights", "loftq"]);
        Assert.That(Proposals(fit).Select(Quantized), Is.Not.Empty.And.All.False);
        Assert.That(fit.Error, Does.Contain("left out --load-in-8bit and").And.Contain("as LoftQ does"));
        Assert.That(fit.Json.GetProperty("left_out").GetArrayLength(), Is.EqualTo(12));
    }

    [TestCase("contradict each other", "--load-in-4bit", "--load-in-8bit")]
    [TestCase("bitfit", "--method", "bitfit")]
    public void What_no_choice_can_mend_is_refused_in_one_sentence(string expected, params string[] flags)
    {
        var fit = ToolRun.Of(["plan", "--fit", .. Llama, "--max-memory", "64MiB", .. flags]);
        Assert.That(fit.ExitCode, Is.EqualTo(2));
        Assert.That(fit.Error, Does.Contain(expected).IgnoreCase);
    }

    [Test]
    public void Without_a_limit_a_part_of_the_memory_of_the_machine_is_one()
    {
        var fit = ToolRun.Of(["plan", "--fit", "--json", .. Llama, "--batch-size", "1", "--max-seq-length", "32", "--dtype", "f32"]);
        long limit = fit.Json.GetProperty("limit_bytes").GetInt64();
        Assert.That(limit, Is.EqualTo(0.8 * GC.GetGCMemoryInfo().TotalAvailableMemoryBytes).Within(0.1).Percent);
        Assert.That(Proposals(fit)[0].GetProperty("flags").GetString(), Is.EqualTo($"--max-memory cpu={limit}"));
        if (IlgpuDevices.Find().Devices.All(device => device.Kind != "cuda"))
        {
            Assert.That(ToolRun.Of(["plan", "--fit", .. Llama, "--device", "cuda"]).Error, Does.Contain(
                "--fit needs a limit, such as --max-memory cuda=24GiB"));
        }
    }

    [Test]
    public void Training_keeps_the_limit_and_its_settings_repeat_the_run()
    {
        const long Limit = 24 << 20;
        string data = _directory.Write("a.jsonl",
            string.Concat(Enumerable.Range(0, 8).Select(i => $"{{\"text\": \"the cat sat {i}\"}}\n")));
        string[] run = ["train", .. Llama, "--data", data, "--max-steps", "2", "--lora-r", "2", "--max-memory", $"{Limit}", "--json"];
        string first = Path.Combine(_directory.FullPath, "first"), again = Path.Combine(_directory.FullPath, "again");
        var fit = ToolRun.Of([.. run, "--fit", "--output-dir", first]);
        Assert.That(fit.ExitCode, Is.Zero, fit.Error);
        string flags = fit.Error.Split('\n').First(line => line.StartsWith("     --", StringComparison.Ordinal)).Trim();
        string settings = Path.Combine(first, "training_settings.json");
        var repeated = ToolRun.Of("train", "-c", settings, "--output-dir", again, "--json");
        Assert.That(repeated.ExitCode, Is.Zero, repeated.Error);
        var recorded = JsonDocument.Parse(File.ReadAllText(settings)).RootElement;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(fit.Json.GetProperty("peak_bytes").GetInt64(), Is.LessThanOrEqualTo(Limit));
            Assert.That(flags, Does.Contain($"--batch-size {recorded.GetProperty("batch_size").GetString()}")
                .And.Contain($"--max-seq-length {recorded.GetProperty("max_seq_length").GetString()}"));
            Assert.That(File.ReadAllText(Path.Combine(first, "adapter_receipt.json")), Does.Contain("\"max_seq_length\""));
            Assert.That(File.ReadAllBytes(Path.Combine(again, "adapter_model.safetensors")),
                Is.EqualTo(File.ReadAllBytes(Path.Combine(first, "adapter_model.safetensors"))));
        }
        var resumed = ToolRun.Of([.. run, "--fit", "--output-dir", first, "--resume-from-checkpoint", first]);
        Assert.That(resumed.ExitCode, Is.EqualTo(2));
        Assert.That(resumed.Error, Does.Contain("--fit and --resume-from-checkpoint contradict each other"));
    }

    [Test]
    public void A_head_is_planned_with_the_classes_of_the_data()
    {
        string data = _directory.Write("a.jsonl",
            string.Concat(Enumerable.Range(0, 40).Select(i => $"{{\"text\": \"the cat sat\", \"label\": \"class {i}\"}}\n")));
        string output = Path.Combine(_directory.FullPath, "out");
        string[] run = ["train", "--fit", "--json", "--model", Bundled.BaseBert, "--task", "seq-cls", "--data", data, "--max-steps", "1",
            "--output-dir", output];
        var refused = ToolRun.Of([.. run, "--max-memory", "100KiB"]);
        Assert.That((refused.ExitCode, Directory.Exists(output)), Is.EqualTo((2, false)), refused.Error);
        string nearest = refused.Error.Split("the nearest limit that can be kept is ")[1].Split(',')[0];
        var kept = ToolRun.Of([.. run, "--max-memory", nearest]);
        Assert.That(kept.ExitCode, Is.Zero, kept.Error);
    }

    [Test]
    public void The_commands_of_the_page_run()
    {
        string page = Path.Combine(Repository.Root, "docs", "fit.md");
        var commands = File.ReadLines(page).Where(line => line.StartsWith("peftcore ", StringComparison.Ordinal)).ToList();
        Assert.That(commands, Has.Count.EqualTo(3));
        foreach (string command in commands)
        {
            var words = command.Split(' ')[1..].Select(word => word == "out" ? Path.Combine(_directory.FullPath, "out")
                : word.StartsWith("src/", StringComparison.Ordinal) || word.StartsWith("bench/", StringComparison.Ordinal)
                    ? Path.Combine(Repository.Root, word) : word);
            var run = ToolRun.Of([.. words, "--json"]);
            Assert.That(run.ExitCode, Is.Zero, $"{command}: {run.Error}");
        }
    }

    private static List<JsonElement> Proposals(ToolRun fit)
    {
        Assert.That(fit.ExitCode, Is.LessThan(2), fit.Error);
        return [.. fit.Json.GetProperty("proposals").EnumerateArray()];
    }

    private static bool Quantized(JsonElement proposal) => proposal.GetProperty("quantized").GetBoolean();

    private static double Rate(JsonElement proposal) => proposal.GetProperty("tok_s").GetDouble();
}

using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>--optim and the settings of optimizers, on the bundled model.</summary>
public sealed class OptimizerVerbTests
{
    // Rank 32: the factors have 6,144 elements, so that their moments may have 8 bits.
    private static readonly string[] Run = ["train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--lora-r", "32",
        "--lora-alpha", "32", "--batch-size", "4", "--max-seq-length", "64", "--logging-steps", "1", "--max-steps", "40",
        "--lr-scheduler-type", "constant"];

    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void Every_optimizer_lowers_the_loss_and_8_bit_moments_keep_near_those_of_32_bits()
    {
        var curves = new Dictionary<string, double[]>();
        foreach (var (name, rate) in (ReadOnlySpan<(string, string)>)[("adamw", "2e-3"), ("adamw_8bit", "2e-3"), ("lion", "4e-4"),
            ("adafactor", "2e-3"), ("sgd", "0.5"), ("lora_plus", "5e-4"), ("lora_fa", "2e-3")])
        {
            string output = Path.Combine(_directory.FullPath, name);
            var run = ToolRun.Of([.. Run, "--optim", name, "--learning-rate", rate, "--output-dir", output]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            curves[name] = Losses(output);
            TestContext.Out.WriteLine($"{name}: {curves[name][..5].Average():0.0000} -> {curves[name][^5..].Average():0.0000}");
        }
        using (Assert.EnterMultipleScope())
        {
            foreach (var (name, losses) in curves)
            {
                Assert.That(losses[^5..].Average(), Is.LessThan(losses[..5].Average()), name);
            }
            var (whole, coded) = (curves["adamw"], curves["adamw_8bit"]);
            Assert.That(coded, Is.Not.EqualTo(whole));
            Assert.That(whole.Zip(coded, (x, y) => Math.Abs(x - y) / x).Max(), Is.LessThan(0.02));
        }
    }

    [Test]
    public void A_checkpoint_of_8_bit_moments_is_small_and_goes_on_to_the_bit()
    {
        string whole = Path.Combine(_directory.FullPath, "whole"), parts = Path.Combine(_directory.FullPath, "parts");
        string[] call = [.. Run, "--optim", "adamw-8bit", "--learning-rate", "2e-3", "--save-steps", "3",
            "--target-modules", "q_proj,o_proj"];
        Assert.That(ToolRun.Of([.. call, "--max-steps", "6", "--output-dir", whole]).ExitCode, Is.Zero);
        var first = ToolRun.Of([.. call, "--max-steps", "3", "--output-dir", parts]);
        Assert.That(first.ExitCode, Is.Zero, first.Error);
        var second = ToolRun.Of([.. call, "--max-steps", "6", "--output-dir", parts, "--resume-from-checkpoint", parts]);
        Assert.That(second.ExitCode, Is.Zero, second.Error);
        Assert.That(RunOutcome.Weights(parts), Is.EqualTo(RunOutcome.Weights(whole)));
        using var state = WeightSource.OpenFile(Path.Combine(parts, "checkpoint-6", "training_state.safetensors"));
        long codes = state.Names.Where(name => name.EndsWith(".state1", StringComparison.Ordinal))
            .Sum(name => state.Get(name).Shape.Aggregate(1L, (x, y) => x * y));
        int parameters = state.Names.Count(name => name.EndsWith(".step", StringComparison.Ordinal));
        Assert.That(state.TotalBytes, Is.EqualTo((2 * codes) + (2 * codes / 256 * 4) + (parameters * (8 + 2 * 1024))));
        var other = ToolRun.Of([.. call, "--optim", "adamw", "--max-steps", "9", "--output-dir", parts, "--resume-from-checkpoint", parts]);
        Assert.That(other.ExitCode, Is.EqualTo(2));
        Assert.That(other.Error, Does.Contain("resume with the method and optimizer the run began with"));
    }

    [TestCase("adam_w", "adamw")]
    [TestCase("adamw_torch", "adamw")]
    [TestCase("adamw-bnb-8bit", "adamw_8bit")]
    [TestCase("lion_32bit", "lion")]
    [TestCase("paged_adamw_32bit", "adamw")] // On the CPU.
    [TestCase("paged_lion_32bit", "lion")]
    public void Names_of_Hugging_Face_and_of_earlier_files_are_read(string name, string meant)
    {
        Assert.That(Planned(name), Is.EqualTo(Planned(meant)));
        Assert.That(Planned("adamw"), Is.GreaterThan(Planned("lion")).And.GreaterThan(Planned("adamw_8bit")));
        Assert.That(Planned("lion"), Is.GreaterThan(Planned("adamw_8bit")));
        Assert.That(Planned("adamw_8bit"), Is.GreaterThan(Planned("adafactor")));

        static long Planned(string optimizer) => ToolRun.Of("plan", "--model", Bundled.BaseLlama, "--lora-r", "32", "--max-seq-length", "8",
            "--batch-size", "1", "--optim", optimizer, "--json").Json.GetProperty("standing_bytes").GetInt64();
    }

    [TestCase("--optim adam", "--optimizer is \"adam\", expected adamw, sgd, adamw_8bit, lion, adafactor, paged_adamw, " +
        "paged_adamw_8bit, paged_lion, lora_plus or lora_fa")]
    [TestCase("--adam-beta1 1", "adam_beta1 is 1, expected a number in [0, 1)")]
    [TestCase("--adam-beta2 1.5", "--adam-beta2 is \"1.5\", expected a number from 0 to 1")]
    [TestCase("--adam-epsilon 0", "adam_epsilon is 0, expected a number above 0")]
    [TestCase("--adam-epsilon 1e-50", "adam_epsilon is 0, expected a number above 0")]
    [TestCase("--adam-epsilon -1", "--adam-epsilon is \"-1\", expected a number of at least 0")]
    [TestCase("--optim lora_plus --loraplus-lr-ratio 0.5", "--loraplus-lr-ratio is \"0.5\", expected a number of at least 1")]
    [TestCase("--optim lora_plus --loraplus-lr-embedding 0", "loraplus_lr_embedding is 0, expected a number above 0")]
    public void Numbers_out_of_their_range_are_refused(string flags, string sentence)
    {
        var run = ToolRun.Of([.. Run, "--output-dir", Path.Combine(_directory.FullPath, "run"), .. flags.Split(' ')]);
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Output);
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [TestCase("lora_plus", "--method ia3", "nothing that trains here is named lora_B")]
    [TestCase("lora_fa", "--method ia3", "IA3 has no such factors")]
    [TestCase("lora_fa", "--use-dora", "has DoRA's magnitudes too")]
    [TestCase("lora_fa", "--target-modules q_proj,embed_tokens", "\"model.embed_tokens\" is an embedding")]
    public void An_optimizer_of_LoRA_is_refused_where_its_factors_are_not(string optimizer, string flags, string sentence)
    {
        foreach (string verb in (string[])["plan", "explain", "bench step"])
        {
            var run = ToolRun.Of([.. verb.Split(' '), "--model", Bundled.BaseLlama, "--max-seq-length", "8", "--batch-size", "1",
                "--optim", optimizer, .. flags.Split(' ')]);
            Assert.That(run.ExitCode, Is.EqualTo(2), run.Output);
            Assert.That(run.Error, Does.Contain(sentence), verb);
        }
    }

    [TestCase("lora_plus")]
    [TestCase("lora_fa")]
    public void Full_fine_tuning_beside_an_optimizer_of_LoRA_has_AdamW(string optimizer)
    {
        var run = ToolRun.Of("explain", "--model", Bundled.BaseLlama, "--max-seq-length", "8", "--batch-size", "1", "--optim", optimizer);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Output, Does.Contain($"full fine-tuning beside it is with adamw, because {optimizer} is for LoRA"));
    }

    [TestCase("sgd", "--adam-beta1, --adam-beta2 have no effect with --optim sgd", "--adam-epsilon has no effect with --optim sgd")]
    [TestCase("adafactor", "--adam-beta1, --adam-beta2 have no effect with --optim adafactor", "--adam-epsilon has no effect with")]
    [TestCase("lion", "--adam-epsilon has no effect with --optim lion", null)]
    [TestCase("adamw_8bit", null, null)]
    [TestCase("lora_plus", null, null)]
    [TestCase("lora_fa", null, null)]
    [TestCase("paged_lion", "--optimizer has no effect on where the optimizer's state is kept", "--adam-epsilon has no effect with")]
    public void A_setting_that_the_optimizer_does_not_have_is_told(string optimizer, string? first, string? second)
    {
        var run = ToolRun.Of([.. Run, "--max-steps", "1", "--output-dir", Path.Combine(_directory.FullPath, "run"), "--optim", optimizer,
            "--adam-beta1", "0.8", "--adam-beta2", "0.99", "--adam-epsilon", "1e-6"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        foreach (string? sentence in (string?[])[first, second])
        {
            Assert.That(run.Error, sentence is null ? Is.Not.Null : Does.Contain(sentence));
        }
        if (first is null)
        {
            Assert.That(run.Error, Does.Not.Contain("no effect"));
        }
    }

    [Test]
    public void Betas_and_epsilon_change_a_run_and_stand_in_its_settings()
    {
        byte[] Weights(params string[] flags)
        {
            string output = Path.Combine(_directory.FullPath, string.Join('_', flags).Replace('-', '_') + "_");
            var run = ToolRun.Of([.. Run, "--max-steps", "3", "--learning-rate", "1e-3", "--output-dir", output, .. flags]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            return RunOutcome.Weights(output);
        }
        byte[] plain = Weights();
        foreach (string optimizer in (string[])["adamw", "adamw_8bit", "lion"])
        {
            byte[] usual = optimizer == "adamw" ? plain : Weights("--optim", optimizer);
            Assert.That(Weights("--optim", optimizer, "--adam-beta1", "0.5"), Is.Not.EqualTo(usual));
            Assert.That(Weights("--optim", optimizer, "--adam-beta2", "0.9"), Is.Not.EqualTo(usual));
        }
        Assert.That(Weights("--adam-epsilon", "1e-3"), Is.Not.EqualTo(plain));
        Assert.That(Weights("--adam-beta1", "0.9", "--adam-beta2", "0.999", "--adam-epsilon", "1e-8"), Is.EqualTo(plain));
        string file = File.ReadAllText(Path.Combine(_directory.FullPath, "__adam_epsilon_1e_3_", "training_settings.json"));
        using var settings = JsonDocument.Parse(file);
        Assert.That(settings.RootElement.GetProperty("adam_epsilon").GetString(), Is.EqualTo("0.001"));
    }

    [Test]
    public void The_rates_of_LoRA_plus_change_a_run_and_are_in_its_settings()
    {
        byte[] Weights(string name, params string[] flags)
        {
            string output = Path.Combine(_directory.FullPath, name);
            var run = ToolRun.Of([.. Run, "--max-steps", "3", "--target-modules", "q_proj,embed_tokens", "--optim", "lora_plus",
                "--output-dir", output, .. flags]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Error, Does.Not.Contain("no effect"));
            return RunOutcome.Weights(output);
        }
        byte[] plain = Weights("plain");
        Assert.That(Weights("usual", "--loraplus-lr-ratio", "16", "--loraplus_lr_embedding", "1e-6"), Is.EqualTo(plain));
        Assert.That(Weights("ratio", "--loraplus-lr-ratio", "4"), Is.Not.EqualTo(plain));
        Assert.That(Weights("embedding", "--loraplus-lr-embedding", "1e-4"), Is.Not.EqualTo(plain));
        string file = Path.Combine(_directory.FullPath, "ratio", "training_settings.json");
        using var settings = JsonDocument.Parse(File.ReadAllText(file));
        Assert.That(settings.RootElement.GetProperty("loraplus_lr_ratio").GetString(), Is.EqualTo("4"));
        string again = Path.Combine(_directory.FullPath, "again");
        var repeated = ToolRun.Of("train", "-c", file, "--output-dir", again);
        Assert.That(repeated.ExitCode, Is.Zero, repeated.Error);
        Assert.That(RunOutcome.Weights(again), Is.EqualTo(RunOutcome.Weights(Path.Combine(_directory.FullPath, "ratio"))));
        var other = ToolRun.Of([.. Run, "--max-steps", "1", "--loraplus-lr-ratio", "4", "--output-dir", again + "2"]);
        Assert.That(other.Error, Does.Contain("--loraplus-lr-ratio has no effect with --optim adamw, which is not lora_plus"));
    }

    [Test]
    public void LoRA_FA_trains_B_alone_keeps_less_and_goes_on_to_the_bit()
    {
        string whole = Path.Combine(_directory.FullPath, "whole"), parts = Path.Combine(_directory.FullPath, "parts");
        string[] call = [.. Run, "--optim", "lora_fa", "--learning-rate", "2e-3", "--save-steps", "3", "--weight-decay", "0.1"];
        var run = ToolRun.Of([.. call, "--max-steps", "6", "--output-dir", whole]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Output + run.Error, Does.Contain($"trainable params: {Planned("lora_fa", "trainable"):N0} "));
        Assert.That(ToolRun.Of([.. call, "--max-steps", "3", "--output-dir", parts]).ExitCode, Is.Zero);
        var second = ToolRun.Of([.. call, "--max-steps", "6", "--output-dir", parts, "--resume-from-checkpoint", parts]);
        Assert.That(second.ExitCode, Is.Zero, second.Error);
        Assert.That(RunOutcome.Weights(parts), Is.EqualTo(RunOutcome.Weights(whole)));
        using (var state = WeightSource.OpenFile(Path.Combine(parts, "checkpoint-6", "training_state.safetensors")))
        {
            Assert.That(state.Names, Has.All.Contains("lora_B").And.Some.EndsWith(".exp_avg_sq_B"));
        }
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Planned("lora_fa", "trainable"), Is.LessThan(Planned("adamw", "trainable")));
            Assert.That(Planned("lora_fa", "parameters"), Is.EqualTo(Planned("adamw", "parameters")));
            Assert.That(Planned("lora_fa", "standing_bytes"), Is.LessThan(Planned("adamw", "standing_bytes")));
            Assert.That(Planned("lora_fa", "planned_bytes"), Is.LessThan(Planned("adamw", "planned_bytes")));
        }
        foreach (string other in (string[])["adamw", "lora_plus"])
        {
            var changed = ToolRun.Of([.. call, "--optim", other, "--max-steps", "9", "--output-dir", parts, "--resume-from-checkpoint",
                parts]);
            Assert.That(changed.ExitCode, Is.EqualTo(2));
            Assert.That(changed.Error, Does.Contain("resume with the method and optimizer the run began with"));
        }

        static long Planned(string optimizer, string what) => ToolRun.Of("plan", "--model", Bundled.BaseLlama, "--lora-r", "32",
            "--max-seq-length", "64", "--batch-size", "4", "--optim", optimizer, "--json").Json.GetProperty(what).GetInt64();
    }

    private static double[] Losses(string output) => [.. File.ReadLines(Path.Combine(output, "training_log.jsonl"))
        .Select(line => JsonDocument.Parse(line).RootElement).Where(row => row.TryGetProperty("loss", out _))
        .Select(row => row.GetProperty("loss").GetDouble())];
}

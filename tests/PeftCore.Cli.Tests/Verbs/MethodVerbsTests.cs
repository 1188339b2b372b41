using System.Text.Json;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class MethodVerbsTests
{
    private static readonly string[] Small = ["--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--batch-size", "2",
        "--max-seq-length", "96"];

    [TestCase("prompt_tuning", "PROMPT_TUNING", "--num-virtual-tokens", "4", "--prompt-tuning-init", "TEXT", "--prompt-tuning-init-text",
        "A record of it:")]
    [TestCase("p-tuning", "P_TUNING", "--encoder-reparameterization-type", "LSTM", "--encoder-hidden-size", "16")]
    [TestCase("prefix_tuning", "PREFIX_TUNING", "--prefix-projection", "--encoder-hidden-size", "16", "--gradient-checkpointing")]
    [TestCase("houlsby", "BOTTLENECK", "--reduction-factor", "8", "--non-linearity", "gelu")]
    [TestCase("trainable_tokens", "TRAINABLE_TOKENS", "--token-indices", "5,9")]
    [TestCase("last_layers", "LAST_LAYERS", "--num-trained-layers", "2")]
    [TestCase("sparse", "SPARSE", "--density", "0.005", "--criterion", "fisher", "--refine-every", "1")]
    [TestCase("dora", "LORA", "--target-modules", "q_proj")]
    public void A_method_trains_saves_and_generates(string method, string type, params string[] flags)
    {
        using var directory = new TemporaryDirectory();

        var run = ToolRun.Of(["train", .. Small, "--method", method, .. flags, "--max-steps", "2", "--output-dir", directory.FullPath]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(directory.FullPath, "adapter_config.json")));
        Assert.That(config.RootElement.GetProperty("peft_type").GetString(), Is.EqualTo(type));
        foreach (string flag in flags.Where(flag => flag.StartsWith("--", StringComparison.Ordinal) && flag != "--gradient-checkpointing"
            && flag != "--target-modules"))
        {
            string given = Array.IndexOf(flags, flag) + 1 is var next && next < flags.Length
                && !flags[next].StartsWith("--", StringComparison.Ordinal) ? flags[next] : "true";
            Assert.That(Plain(config.RootElement.GetProperty(flag[2..].Replace('-', '_')).ToString()), Is.EqualTo(Plain(given)), flag);
        }
        var text = ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--adapter", directory.FullPath, "--prompt", "On Monday",
            "--max-new-tokens", "3", "--json");
        Assert.That(text.ExitCode, Is.Zero, text.Error);
        var eval = ToolRun.Of("eval", "--model", Bundled.BaseLlama, "--adapter", directory.FullPath, "--data",
            Path.Combine(Bundled.DemoData, "valid.jsonl"), "--json");
        Assert.That(eval.Json.GetProperty("loss").GetDouble(), Is.GreaterThan(0).And.LessThan(20), eval.Error);
    }

    private static string Plain(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c) && c is not ('[' or ']')))
        .ToLowerInvariant();

    [Test]
    public void A_prompt_network_goes_on_from_its_checkpoint_as_if_it_had_not_stopped()
    {
        using var whole = new TemporaryDirectory();
        using var parts = new TemporaryDirectory();
        string[] call = ["train", .. Small, "--method", "p_tuning", "--num-virtual-tokens", "3", "--encoder-hidden-size", "8",
            "--save-steps", "1", "--learning-rate", "1e-2"];
        Assert.That(ToolRun.Of([.. call, "--max-steps", "3", "--output-dir", whole.FullPath]).ExitCode, Is.Zero);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.That(ToolRun.Of(stop.Token, [.. call, "--max-steps", "3", "--output-dir", parts.FullPath]).ExitCode, Is.EqualTo(1));
        var last = ToolRun.Of([.. call, "--max-steps", "3", "--output-dir", parts.FullPath, "--resume-from-checkpoint", parts.FullPath]);
        Assert.That(last.ExitCode, Is.Zero, last.Error);
        Assert.That(RunOutcome.Weights(parts.FullPath), Is.EqualTo(RunOutcome.Weights(whole.FullPath)));
    }

    [Test]
    public void Entries_are_selected_reported_and_trained()
    {
        using var directory = new TemporaryDirectory();
        string selection = Path.Combine(directory.FullPath, "selection"), mask = Path.Combine(selection, "mask.safetensors");

        var run = ToolRun.Of(["select", .. Small, "--density", "0.002", "--batches", "2", "--output-dir", selection, "--json"]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        long chosen = run.Json.GetProperty("chosen").GetInt64();
        Assert.That(chosen, Is.EqualTo((long)Math.Round(0.002 * run.Json.GetProperty("entries").GetInt64())));
        using var report = JsonDocument.Parse(File.ReadAllText(Path.Combine(selection, "selection.json")));
        Assert.That(report.RootElement.GetProperty("modules").EnumerateObject().Sum(module => module.Value.GetProperty("chosen")
            .GetInt64()), Is.EqualTo(chosen));
        Assert.That(new FileInfo(Path.Combine(selection, "scores.safetensors")).Length,
            Is.GreaterThan(4 * run.Json.GetProperty("entries").GetInt64()));
        var train = ToolRun.Of(["train", .. Small, "--method", "sparse", "--mask", mask, "--max-steps", "1", "--output-dir",
            Path.Combine(directory.FullPath, "run")]);
        Assert.That(train.ExitCode, Is.Zero, train.Error);
        Assert.That(train.Output + train.Error, Does.Contain(FormattableString.Invariant($"trainable params: {chosen:N0}")));
    }

    [Test]
    public void A_comparison_writes_a_table_a_plot_and_the_adapters()
    {
        using var directory = new TemporaryDirectory();

        var run = ToolRun.Of(["compare", .. Small, "--methods", "lora[r=2,target_modules=[\"q_proj\"]],ia3", "--learning-rates", "1e-2,1e9",
            "--max-steps", "2", "--output-dir", directory.FullPath, "--json"]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        var methods = run.Json.GetProperty("methods").EnumerateArray().ToList();
        Assert.That(methods.Select(method => method.GetProperty("method").GetString()),
            Is.EqualTo(new[] { "lora[r=2,target_modules=[\"q_proj\"]]", "ia3" }));
        Assert.That(methods.Select(method => method.GetProperty("eval_loss").GetDouble()),
            Is.All.LessThan(run.Json.GetProperty("eval_loss_before").GetDouble()));
        Assert.That(File.ReadAllLines(Path.Combine(directory.FullPath, "comparison.md")), Has.Length.EqualTo(4));
        Assert.That(File.ReadAllText(Path.Combine(directory.FullPath, "comparison.svg")), Does.StartWith("<svg").And.Contain("ia3"));
        Assert.That(Path.Combine(directory.FullPath, "02-ia3", "adapter_model.safetensors"), Does.Exist);
    }

    [TestCase("lora[r=2", "no method")]
    [TestCase("no_such", "no method")]
    [TestCase("ia3[rank=2]", "no field")]
    [TestCase("lora[r]", "no name=value")]
    public void A_misspelled_method_is_refused_before_anything_runs(string methods, string sentence)
    {
        using var directory = new TemporaryDirectory();
        var run = ToolRun.Of(["compare", .. Small, "--methods", methods, "--output-dir", Path.Combine(directory.FullPath, "out")]);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain(sentence));
        Assert.That(Path.Combine(directory.FullPath, "out"), Does.Not.Exist);
    }

    [Test]
    public void Commas_inside_brackets_do_not_part_methods() =>
        Assert.That(MethodSpec.ParseAll("a_b[x=1,y=[2,3]], lora,p-tuning[num_virtual_tokens=3]").Select(spec => spec.Text),
            Is.EqualTo(new[] { "a_b[x=1,y=[2,3]]", "lora", "p-tuning[num_virtual_tokens=3]" }));

    [Test]
    public void Virtual_tokens_leave_less_room_for_sequences()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("long.jsonl",
            string.Concat(Enumerable.Repeat($$"""{"text": "{{string.Join(' ', Enumerable.Repeat("the old gardener", 300))}}"}""" + "\n",
                2)));
        string[] call = ["train", "--model", Bundled.BaseLlama, "--data", data, "--method", "prefix_tuning", "--num-virtual-tokens", "30",
            "--batch-size", "1", "--max-steps", "1", "--output-dir", Path.Combine(directory.FullPath, "run")];
        var run = ToolRun.Of(call);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("longer than max_seq_length 482"));
        var refused = ToolRun.Of([.. call, "--max-seq-length", "500"]);
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain("30 of them taken by virtual tokens"));
    }

    [Test]
    public void Tasks_come_from_the_data_and_from_a_flag()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("tasks.jsonl",
            string.Concat(Enumerable.Range(0, 4).Select(i => $$"""{"prompt": "Now", "completion": " then {{i}}", "task_id": {{i % 2}}}""" +
                "\n")));
        string output = Path.Combine(directory.FullPath, "run");
        string[] call = ["train", "--model", Bundled.BaseLlama, "--data", data, "--method", "multitask_prompt_tuning",
            "--num-virtual-tokens", "3", "--batch-size", "2", "--max-steps", "1", "--output-dir", output];
        var refused = ToolRun.Of([.. call, "--method-options", "num_tasks=1"]);
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain("there is no task 1: the adapter has 1, counted from 0"));
        var run = ToolRun.Of([.. call, "--method-options", "num_tasks=2"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(ToolRun.Of("eval", "--model", Bundled.BaseLlama, "--adapter", output, "--data", data).ExitCode, Is.Zero);
        string[] generate = ["generate", "--model", Bundled.BaseLlama, "--adapter", output, "--prompt", "Now", "--max-new-tokens", "2"];
        Assert.That(ToolRun.Of([.. generate, "--task-id", "1"]).ExitCode, Is.Zero);
        Assert.That(ToolRun.Of([.. generate, "--task-id", "2"]).ExitCode, Is.EqualTo(2));
    }

    [Test]
    public void A_flag_of_another_method_is_refused_by_name()
    {
        using var directory = new TemporaryDirectory();
        var run = ToolRun.Of(["train", .. Small, "--num-virtual-tokens", "4", "--output-dir", directory.FullPath]);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("--num-virtual-tokens is not for lora"));
    }
}

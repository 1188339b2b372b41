using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Runs within a limit that their weights exceed: the plan, training, evaluation and generation.</summary>
public sealed class OffloadVerbsTests
{
    private static readonly string[] Small =
        ["--model", Bundled.BaseLlama, "--batch-size", "1", "--max-seq-length", "16", "--lora-r", "2", "--target-modules", "q_proj"];

    [Test]
    public void A_plan_says_where_weights_are_and_what_a_step_copies()
    {
        long limit = NearestOf("plan", "ilgpu-cpu") + (1 << 20);
        var plan = Json("plan", "ilgpu-cpu", limit);
        var blocks = plan.GetProperty("blocks").EnumerateArray().ToList();
        var onHost = blocks.Where(block => block.GetProperty("place").GetString() == "host").ToList();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(blocks, Has.Count.EqualTo(6));
            Assert.That(onHost, Has.Count.InRange(3, 6));
            Assert.That(plan.GetProperty("reserved_bytes").GetInt64(), Is.LessThanOrEqualTo(limit));
            Assert.That(plan.GetProperty("host_bytes").GetInt64(),
                Is.EqualTo(onHost.Sum(block => block.GetProperty("weight_bytes").GetInt64())));
            Assert.That(plan.GetProperty("streamed_bytes").GetInt64(),
                Is.EqualTo(2 * (onHost.Count - 2) * blocks[0].GetProperty("weight_bytes").GetInt64()));
        }
        var text = ToolRun.Of(["plan", .. Small, "--device", "ilgpu-cpu", "--max-memory", $"{limit}"]);
        Assert.That(text.Output, Does.Contain("kept on").And.Contain("model.layers.0").And.Contain("host").And.Contain(
            "copied to the device a step"));
    }

    [Test]
    public void A_step_on_the_cpu_takes_what_is_planned_with_weights_left_on_disk()
    {
        long limit = NearestOf("plan", "cpu") + (1 << 20);
        var step = Json("bench step", "cpu", limit, "--steps", "1", "--warmup", "1");
        var plan = Json("plan", "cpu", limit);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.GetProperty("blocks").EnumerateArray().Count(block => block.GetProperty("place").GetString() == "disk"),
                Is.GreaterThan(0));
            Assert.That(step.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(plan.GetProperty("planned_bytes").GetInt64()));
            Assert.That(step.GetProperty("streamed_bytes").GetInt64(), Is.Zero);
        }
    }

    [Test]
    public void Training_evaluation_and_generation_give_the_same_numbers_within_a_limit()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("a.jsonl",
            string.Concat(Enumerable.Range(0, 8).Select(i => $"{{\"text\": \"the cat sat {i}\"}}\n")));
        long limit = NearestOf("plan", "cpu") + (1 << 20);
        string[] limits = ["--max-memory", $"{limit}"];
        var losses = new List<string>();
        foreach (string[] memory in (string[][])[[], limits])
        {
            string output = Path.Combine(directory.FullPath, $"out{memory.Length}");
            var run = ToolRun.Of(["train", .. Small, "--data", data, "--max-steps", "3", "--output-dir", output, "--json", .. memory]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            string[] model = ["--model", Bundled.BaseLlama, "--adapter", output, .. memory];
            string text = ToolRun.Of(["generate", .. model, "--prompt", "the cat", "--max-new-tokens", "4"]).Output;
            string loss = ToolRun.Of(["eval", .. model, "--data", data, "--max-seq-length", "16"]).Output;
            losses.Add($"{JsonDocument.Parse(run.Output).RootElement.GetProperty("train_loss").GetDouble():R} {text} {loss}");
        }
        Assert.That(losses[1], Is.EqualTo(losses[0]));
        Assert.That(losses[0], Does.Contain("loss"));
    }

    [Test]
    public void A_resumed_run_within_a_limit_gives_the_bytes_of_one_without()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("a.jsonl",
            string.Concat(Enumerable.Range(0, 8).Select(i => $"{{\"text\": \"the cat sat {i}\"}}\n")));
        string[] run = ["train", .. Small, "--data", data, "--max-steps", "4", "--save-steps", "2"];
        string[] limit = ["--max-memory", $"{NearestOf("plan", "cpu") + (1 << 20)}"];
        Train("free", []);
        Train("limited", limit);
        Train("resumed", [.. limit, "--resume-from-checkpoint", Path.Combine(directory.FullPath, "limited", "checkpoint-2")]);
        Assert.That(Adapter("limited"), Is.EqualTo(Adapter("free")));
        Assert.That(Adapter("resumed"), Is.EqualTo(Adapter("free")));

        void Train(string output, string[] more)
        {
            var tool = ToolRun.Of([.. run, "--output-dir", Path.Combine(directory.FullPath, output), .. more]);
            Assert.That(tool.ExitCode, Is.Zero, tool.Error);
        }

        byte[] Adapter(string output) => File.ReadAllBytes(Path.Combine(directory.FullPath, output, "adapter_model.safetensors"));
    }

    [Test]
    public void A_host_limit_that_is_too_small_is_named_with_the_device_limit_that_it_leaves()
    {
        long limit = NearestOf("plan", "ilgpu-cpu") + (1 << 20);
        var run = ToolRun.Of(["plan", .. Small, "--device", "ilgpu-cpu", "--max-memory", $"ilgpu-cpu={limit},cpu=100KiB"]);
        Assert.That(run.ExitCode, Is.EqualTo(1));
        Assert.That(run.Output, Does.Contain("--max-memory for cpu is 100.0 KiB").And.Contain(
            "the nearest limit that can be kept is ilgpu-cpu="));
    }

    [Test]
    public void Checkpoints_on_the_host_are_planned_and_pointed_out_on_the_cpu()
    {
        var plan = ToolRun.Of(["plan", .. Small, "--device", "ilgpu-cpu", "--gradient-checkpointing", "offload", "--json"]);
        Assert.That(JsonDocument.Parse(plan.Output).RootElement.GetProperty("host_bytes").GetInt64(), Is.GreaterThan(0));
        var cpu = ToolRun.Of(["plan", .. Small, "--gradient-checkpointing", "offload", "--json"]);
        Assert.That(JsonDocument.Parse(cpu.Output).RootElement.GetProperty("host_bytes").GetInt64(), Is.Zero);
        Assert.That(cpu.Error, Does.Contain("--gradient-checkpointing has no effect on where checkpoints are kept"));
    }

    [Test]
    public void The_plan_of_the_page_streams()
    {
        string page = Path.Combine(Repository.Root, "docs", "offload.md");
        string command = File.ReadLines(page).First(line => line.StartsWith("peftcore plan "));
        var run = ToolRun.Of([.. command.Replace("base-llama", Bundled.BaseLlama).Split(' ')[1..], "--json"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error + run.Output);
        Assert.That(run.Json.GetProperty("streamed_bytes").GetInt64(), Is.GreaterThan(0));
    }

    /// <summary>The nearest limit, in bytes, that a refusal names.</summary>
    private static long NearestOf(string verb, string device)
    {
        var run = ToolRun.Of([verb, .. Small, "--device", device, "--max-memory", "1MiB"]);
        var match = System.Text.RegularExpressions.Regex.Match(run.Output, $"nearest limit that can be kept is {device}=([0-9]+)MiB");
        Assert.That(match.Success, Is.True, run.Output);
        return long.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) << 20;
    }

    private static JsonElement Json(string verb, string device, long limit, params string[] more)
    {
        var run = ToolRun.Of([.. verb.Split(' '), .. Small, "--device", device, "--max-memory", $"{limit}", "--json", .. more]);
        Assert.That(run.ExitCode, Is.Zero, run.Error + run.Output);
        return JsonDocument.Parse(run.Output).RootElement;
    }
}

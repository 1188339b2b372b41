using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class ModelVerbsTests
{
    [Test]
    public void A_merged_model_scores_and_writes_as_model_and_adapter_do()
    {
        using var directory = new TemporaryDirectory();
        string adapter = Path.Combine(directory.FullPath, "adapter"), merged = Path.Combine(directory.FullPath, "merged");
        string[] train = ["train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--output-dir", adapter, "--max-steps", "3",
            "--batch-size", "2",
            "--max-seq-length", "96", "--learning-rate", "1e-2", "--eval-steps", "100"];
        Assert.That(ToolRun.Of(train).ExitCode, Is.Zero);

        var merge = ToolRun.Of("merge", "--json", "--model", Bundled.BaseLlama, "--adapter", adapter, "--output-dir", merged);
        double with = Evaluate("--model", Bundled.BaseLlama, "--adapter", adapter), whole = Evaluate("--model", merged),
            without = Evaluate("--model", Bundled.BaseLlama);

        Assert.That(merge.ExitCode, Is.Zero, merge.Error);
        Assert.That(whole, Is.EqualTo(with).Within(5e-3)); // the merged weights are rounded to the file's bf16
        Assert.That(Math.Abs(with - without), Is.GreaterThan(0.05));
        Assert.That(ToolRun.Of("inspect", merged, "--json").Json.GetProperty("architecture").GetString(), Is.EqualTo("LlamaForCausalLM"));
    }

    [Test]
    public void Labelled_texts_are_scored_by_accuracy_and_f1()
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("test.jsonl",
            string.Concat(Enumerable.Range(0, 6)
                .Select(i =>
                    $$"""{"text":"It was {{(i % 2 == 0 ? "a fine" : "a dull")}} day number {{i}}.","label":"{{(i % 2 == 0 ? "good" : "bad")}}"}""" + "\n")));

        var report = ToolRun.Of("eval", "--json", "--model", Bundled.BaseLlama, "--data", data).Json;

        Assert.That(report.GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(report.GetProperty("f1").GetDouble(), Is.InRange(0, 1));
        Assert.That(report.GetProperty("loss").GetDouble(), Is.GreaterThan(0));
    }

    [Test]
    public void The_same_seed_draws_the_same_text()
    {
        string[] draw = ["generate", "--json", "--model", Bundled.BaseLlama, "--prompt", "It was a dark night", "--max-new-tokens", "12",
            "--temperature", "0.8", "--top-k", "40", "--top-p", "0.95"];

        var first = ToolRun.Of([.. draw, "--seed", "7"]).Json;
        var again = ToolRun.Of([.. draw, "--seed", "7"]).Json;
        var other = ToolRun.Of([.. draw, "--seed", "8"]).Json;

        Assert.That(Text(again), Is.EqualTo(Text(first)));
        Assert.That(Text(other), Is.Not.EqualTo(Text(first)));
        Assert.That(first.GetProperty("tokens").GetInt32(), Is.EqualTo(12));
    }

    [Test]
    public void A_prompt_that_is_too_long_gets_a_sentence()
    {
        var run = ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--prompt", string.Concat(Enumerable.Repeat("word ", 2000)));

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("512"));
    }

    [Test]
    public void A_model_without_a_chat_template_says_which_could_be_used()
    {
        var run = ToolRun.Of("chat", "--model", Bundled.BaseLlama);

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("--chat-template").And.Contain("chatml"));
    }

    [Test]
    public void Matrix_products_and_steps_can_be_timed()
    {
        var gemm = ToolRun.Of("bench", "gemm", "--json", "--m", "65", "--n", "33", "--k", "17").Json;

        Assert.That(gemm.GetProperty("gflops").GetDouble(), Is.GreaterThan(0));
        Assert.That(gemm.GetProperty("ms_min").GetDouble(), Is.LessThanOrEqualTo(gemm.GetProperty("ms_median").GetDouble()));
    }

    [TestCase("nf4")]
    [TestCase("fp4-double")]
    [TestCase("int8")]
    public void Products_with_quantised_weights_can_be_timed(string format)
    {
        var gemm = ToolRun.Of("bench", "gemm", "--json", "--m", "3", "--n", "33", "--k", "65", "--quantized", format).Json;

        Assert.That(gemm.GetProperty("gflops").GetDouble(), Is.GreaterThan(0));
        Assert.That(gemm.GetProperty("dequantize_ms_min").GetDouble(),
            Is.LessThanOrEqualTo(gemm.GetProperty("dequantize_ms_median").GetDouble()));
    }

    [Test]
    public void Attention_can_be_timed_both_ways()
    {
        var attention = ToolRun.Of(
            "bench", "attention", "--json", "--batch-size", "1", "--length", "17", "--heads", "4", "--kv-heads", "2", "--head-dim",
            "8").Json;

        Assert.That(attention.GetProperty("forward_gflops").GetDouble(), Is.GreaterThan(0));
        Assert.That(attention.GetProperty("backward_ms_min").GetDouble(),
            Is.LessThanOrEqualTo(attention.GetProperty("backward_ms_median").GetDouble()));
    }

    [Test]
    public void Key_heads_must_divide_the_query_heads()
    {
        var run = ToolRun.Of("bench", "attention", "--heads", "4", "--kv-heads", "3");

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("--kv-heads 3"));
    }

    private static string? Text(JsonElement report) => report.GetProperty("text").GetString();

    private static double Evaluate(params string[] model)
    {
        var run = ToolRun.Of(["eval", "--json", "--data", Bundled.DemoData, "--max-seq-length", "96", .. model]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run.Json.GetProperty("loss").GetDouble();
    }
}

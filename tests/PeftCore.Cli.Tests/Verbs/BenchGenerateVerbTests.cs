namespace PeftCore.Cli.Tests.Verbs;

public sealed class BenchGenerateVerbTests
{
    [Test]
    public void Planned_peak_is_the_measured_peak_and_a_bf16_cache_takes_half_the_bytes(
        [Values("llama", "gpt2")] string family, [Values("f32", "bf16")] string dtype, [Values("1", "3")] string batch)
    {
        var report = ToolRun.Of("bench", "generate", "--json", "--model", Bundled.Fixture("hf", family, "base"), "--prompt-length", "11",
            "--max-new-tokens", "5",
            "--batch-size", batch, "--kv-cache-dtype", dtype, "--runs", "1").Json;

        // Two layers of keys and values; 2 key heads of 8 columns (llama), 4 of 8 (gpt2).
        long numbers = 2L * 2 * int.Parse(batch) * (11 + 5) * (family == "llama" ? 16 : 32);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.GetProperty("kv_cache_bytes").GetInt64(), Is.EqualTo(numbers * (dtype == "bf16" ? 2 : 4)));
            Assert.That(report.GetProperty("kv_cache_dtype").GetString(), Is.EqualTo(dtype));
            Assert.That(report.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(report.GetProperty("planned_bytes").GetInt64()));
            foreach (string rate in new[] { "tok_s", "prompt_tok_s", "first_token_ms", "ms_median" })
            {
                Assert.That(report.GetProperty(rate).GetDouble(), Is.GreaterThan(0), rate);
            }
            Assert.That(report.GetProperty("ms_min").GetDouble(), Is.LessThanOrEqualTo(report.GetProperty("ms_median").GetDouble()));
            Assert.That(report.GetProperty("batch_size").GetInt32(), Is.EqualTo(int.Parse(batch)));
        }
    }

    [Test]
    public void A_configuration_alone_and_adapters_can_be_timed()
    {
        using var directory = new TemporaryDirectory();
        string config = directory.Write("config.json", """
            {"model_type":"gpt2","vocab_size":50,"n_positions":32,"n_embd":16,"n_layer":1,"n_head":2}
            """);

        var alone = ToolRun.Of("bench", "generate", "--json", "--config", config, "--prompt-length", "4", "--max-new-tokens", "3",
            "--dtype", "bf16", "--threads", "1").Json;
        var adapted = ToolRun.Of("bench", "generate", "--json", "--model", Bundled.Fixture("hf", "llama", "base"), "--adapter",
            Bundled.Fixture("hf", "llama", "prefix"),
            "--prompt-length", "4", "--max-new-tokens", "3").Json;

        Assert.That(alone.GetProperty("dtype").GetString(), Is.EqualTo("bf16"));
        Assert.That(alone.GetProperty("kv_cache_dtype").GetString(), Is.EqualTo("f32"), "the processor computes in F32");
        Assert.That(adapted.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(adapted.GetProperty("planned_bytes").GetInt64()));
    }

    [Test]
    public void Requests_of_several_adapters_are_timed_in_one_batch_and_one_by_one()
    {
        var report = ToolRun.Of("bench", "generate", "--json", "--model", Bundled.Fixture("hf", "llama", "base"), "--batch-size", "5",
            "--lora-adapters", "2", "--prompt-length", "4", "--max-new-tokens", "3", "--runs", "1").Json;

        using (Assert.EnterMultipleScope())
        {
            foreach (string rate in new[] { "one_adapter_tok_s", "mixed_tok_s", "one_by_one_tok_s" })
            {
                Assert.That(report.GetProperty(rate).GetDouble(), Is.GreaterThan(0), rate);
            }
            Assert.That(report.GetProperty("adapters").GetInt32(), Is.EqualTo(2));
        }
    }

    [Test]
    public void What_cannot_be_timed_gets_a_sentence()
    {
        string model = Bundled.Fixture("hf", "llama", "base");
        using (Assert.EnterMultipleScope())
        {
            Refused("expected either --model DIR or --config FILE");
            Refused("expected either --model DIR or --config FILE", "--model", model, "--config", "config.json");
            Refused("--prompt-length 60 and --max-new-tokens 10 make 70 tokens, but the model's context holds 64", "--model", model,
                "--prompt-length", "60", "--max-new-tokens", "10");
            Refused("--max-new-tokens is \"1\", expected a whole number of at least 2", "--model", model, "--max-new-tokens", "1");
            Refused("--kv-cache-dtype is \"f16\", expected auto, f32 or bf16", "--model", model, "--kv-cache-dtype", "f16");
        }

        static void Refused(string sentence, params string[] args)
        {
            var run = ToolRun.Of(["bench", "generate", .. args]);
            Assert.That(run.ExitCode, Is.EqualTo(2), run.Output);
            Assert.That(run.Error, Does.Contain(sentence));
        }
    }

    [Test]
    public void Texts_and_scores_can_use_a_bf16_cache()
    {
        string[] write = ["generate", "--json", "--model", Bundled.BaseLlama, "--prompt", "It was a dark night", "--max-new-tokens", "6"];
        using var directory = new TemporaryDirectory();
        string data = directory.Write("test.jsonl", """
            {"text":"It was a fine day.","label":"good"}
            {"text":"It was a dull day.","label":"bad"}
            """);

        ToolRun narrow = ToolRun.Of([.. write, "--kv-dtype", "bf16"]), wide = ToolRun.Of(write);
        var eval = ToolRun.Of("eval", "--json", "--model", Bundled.BaseLlama, "--data", data, "--kv-cache-dtype", "bf16");
        var wrong = ToolRun.Of("eval", "--model", Bundled.BaseLlama, "--data", data, "--kv-cache-dtype", "f16");

        Assert.That(narrow.Json.GetProperty("tokens").GetInt32(), Is.EqualTo(wide.Json.GetProperty("tokens").GetInt32()));
        Assert.That(eval.Json.GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(wrong.ExitCode, Is.EqualTo(2));
    }
}

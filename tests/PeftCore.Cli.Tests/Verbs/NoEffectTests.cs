using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Flags without effect cause a note or an error; flags that contradict each other are an error.</summary>
public sealed class NoEffectTests
{
    private static readonly string[] Plan = ["plan", "--model", Bundled.BaseLlama, "--max-seq-length", "8", "--batch-size", "1"];
    private static readonly string[] Small = ["--model", Bundled.BaseLlama, "--batch-size", "2", "--max-seq-length", "32", "--max-steps",
        "1", "--target-modules", "layers.0.self_attn.q_proj"];

    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [TestCase("ia3", "--lora-r", "8", "--lora-r is not for ia3, which has no field \"r\"")]
    [TestCase("ia3", "--lora-alpha", "16", "--lora-alpha is not for ia3")]
    [TestCase("vera", "--lora-alpha", "16", "--lora-alpha is not for vera")]
    [TestCase("prompt_tuning", "--use-dora", "true", "--use-dora is not for prompt_tuning")]
    [TestCase("prompt_tuning", "--target-modules", "q_proj", "--target-modules is not for prompt_tuning")]
    [TestCase("ln_tuning", "--lora-dropout", "0.1", "--lora-dropout is not for ln_tuning")]
    [TestCase("bitfit", "--bias", "all", "--bias is not for bitfit")]
    [TestCase("adalora", "--lora-r", "8", "--lora-r is not for adalora")]
    [TestCase("loha", "--init-lora-weights", "pissa", "--init-lora-weights is not for loha")]
    [TestCase("lora", "--num-virtual-tokens", "4", "--num-virtual-tokens is not for lora")]
    [TestCase("lora", "--mask", "m.safetensors", "--mask is not for lora")]
    [TestCase("dora", "--use-dora", "false", "the method dora is lora with use_dora=true, but use_dora is given as false")]
    [TestCase("pissa", "--init-lora-weights", "olora", "the method pissa is lora with init_lora_weights=pissa")]
    public void A_flag_of_another_method_is_refused(string method, string flag, string value, string sentence)
    {
        var run = ToolRun.Of([.. Plan, "--method", method, flag, value]);
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Error);
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [Test]
    public void Methods_that_are_lora_by_another_name_take_its_flags()
    {
        string[] targets = ["--target-modules", "q_proj", "--json"];
        long lora = Trainable([.. Plan, .. targets, "--lora-r", "16"]);
        Assert.That(Trainable([.. Plan, .. targets, "--method", "rslora", "--lora-r", "16"]), Is.EqualTo(lora));
        Assert.That(Trainable([.. Plan, .. targets, "--method", "lora", "--method-options", "r=16"]), Is.EqualTo(lora));
        Assert.That(Trainable([.. Plan, .. targets, "--method", "lora", "--method-options", "r=16", "--lora-r", "16"]), Is.EqualTo(lora));
        Assert.That(Trainable([.. Plan, .. targets, "--method", "loha", "--lora-r", "4", "--lora-alpha", "4"]),
            Is.EqualTo(Trainable([.. Plan, .. targets, "--method", "loha", "--method-options", "r=4,alpha=4"])));
        Assert.That(Trainable([.. Plan, .. targets, "--method", "vera", "--lora-r", "8"]),
            Is.Not.EqualTo(Trainable([.. Plan, .. targets, "--method", "vera"])));
    }

    [Test]
    public void A_field_and_a_flag_that_differ_are_refused()
    {
        var run = ToolRun.Of([.. Plan, "--method-options", "r=4", "--lora-r", "8"]);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("--lora-r says 8, but --method-options says r=4; leave one of them out"));
        Assert.That(ToolRun.Of([.. Plan, "--config", "config.json"]).Error,
            Does.Contain("either --model DIR or --config FILE, but both are given"));
    }

    [TestCase("--learning-rate 1e-3 --data d", "--data, --learning-rate have no effect on what a step takes")]
    [TestCase("--lora-r 4 --lora-r 8", "--lora-r is given 2 times, as 4 and 8; the last counts")]
    [TestCase("--dtype bf16", "--dtype has no effect on what the CPU computes")]
    [TestCase("--method prefix_tuning --encoder-hidden-size 8", "--encoder-hidden-size has no effect without --prefix-projection")]
    [TestCase("--method prompt_tuning --prompt-tuning-init-text Hello",
        "--prompt-tuning-init-text has no effect unless --prompt-tuning-init is TEXT")]
    [TestCase("--init-batches 4", "--init-batches")]
    public void A_plan_tells_what_has_no_effect(string flags, string sentence)
    {
        var run = ToolRun.Of([.. Plan, .. flags.Split(' ')]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [Test]
    public void A_run_tells_what_has_no_effect_and_keeps_it_out_of_its_settings()
    {
        string data = _directory.Write("text.jsonl",
            string.Concat(Enumerable.Range(0, 4).Select(i => $$"""{"text": "It was day number {{i}}."}""" + "\n")));
        string output = Path.Combine(_directory.FullPath, "run");

        var run = ToolRun.Of(["train", .. Small, "--data", data, "--output-dir", output, "--num-epochs", "2", "--warmup-steps", "1",
            "--warmup-ratio", "0.1", "--init-batches", "2",
            "--eval-steps", "1", "--mask-prompt"]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        foreach (string sentence in (string[])["--num-epochs has no effect beside --max-steps",
            "--warmup-ratio has no effect beside --warmup-steps", "--init-batches has no effect unless",
            "--eval-steps has no effect without validation data", "--mask-prompt has no effect on rows of text alone"])
        {
            Assert.That(run.Error, Does.Contain(sentence));
        }
        using var settings = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "training_settings.json")));
        Assert.That(settings.RootElement.TryGetProperty("num_epochs", out _), Is.False);
        Assert.That(settings.RootElement.GetProperty("max_steps").GetString(), Is.EqualTo("1"));

        var again = ToolRun.Of("train", "-c", Path.Combine(output, "training_settings.json"), "--output-dir",
            Path.Combine(_directory.FullPath, "again"));
        Assert.That(again.ExitCode, Is.Zero, again.Error);
        Assert.That(again.Error, Does.Not.Contain("beside"));
    }

    [Test]
    public void A_file_of_all_settings_is_told_of_those_that_do_nothing_and_still_read()
    {
        string file = _directory.Write("all.yaml", "method: ia3\nlora_r: 8\nlora_alpha: 8\nbias: none\n");
        var run = ToolRun.Of([.. Plan, "-c", file]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("lora_r").And.Contain("have no effect with --method ia3"));
        Assert.That(ToolRun.Of([.. Plan, "-c", _directory.Write("other.yaml", "method: ia3\nlora_r: 16\n")]).Error,
            Does.Contain("other.yaml, line 2: lora_r is not for ia3"));
    }

    [Test]
    public void A_validation_split_beside_validation_data_is_told()
    {
        var run = ToolRun.Of(["train", .. Small, "--data", Bundled.DemoData, "--validation-split", "0.1", "--output-dir",
            Path.Combine(_directory.FullPath, "run")]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("--validation-split has no effect beside the validation data there are"));
    }

    [Test]
    public void Going_on_with_other_settings_is_told()
    {
        string output = Path.Combine(_directory.FullPath, "run");
        string[] call = ["train", .. Small, "--data", Bundled.DemoData, "--output-dir", output, "--eval-steps", "9"];
        Assert.That(ToolRun.Of([.. call, "--learning-rate", "1e-3"]).ExitCode, Is.Zero);
        var run = ToolRun.Of([.. call, "--learning-rate", "2e-3", "--lora-alpha", "16", "--resume-from-checkpoint", output]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error,
            Does.Contain("goes on with other settings than it began with").And.Contain("learning_rate was 0.001 and is 0.002").And.Contain(
            "lora_alpha was 8 and is 16"));
    }

    [Test]
    public void Settings_of_draws_do_nothing_while_the_likeliest_token_is_taken()
    {
        var run = ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--prompt", "On Monday", "--max-new-tokens", "1", "--top-k", "5",
            "--seed", "3", "--chat-template", "chatml",
            "--task-id", "1", "--dtype", "bf16");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error,
            Does.Contain("--top-k, --seed have no effect while --temperature is 0").And.Contain("--chat-template has no effect in generate")
            .And.Contain("--task-id has no effect: none of the adapters has several tasks").And.Contain(
            "--dtype has no effect on the CPU"));
        var drawn = ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--prompt", "On Monday", "--max-new-tokens", "1", "--temperature",
            "1", "--top-k", "5", "--seed", "3");
        Assert.That(drawn.Error, Does.Not.Contain("no effect"));
    }

    [TestCase("1e-50")]
    [TestCase("1e-40")]
    public void A_temperature_that_would_be_rounded_to_zero_is_refused(string temperature)
    {
        var run = ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--prompt", "On Monday", "--max-new-tokens", "1", "--temperature",
            temperature);
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Output);
        Assert.That(run.Error, Does.Contain("temperature is").And.Contain("or at least 1e-30"));
    }

    [Test]
    public void Verbs_tell_of_options_that_they_do_not_look_at()
    {
        string data = _directory.Write("text.jsonl", "{\"text\": \"It was a day.\"}\n{\"text\": \"It was.\", \"label\": 1}\n");
        var eval = ToolRun.Of("eval", "--model", Bundled.BaseLlama, "--data", data, "--kv-cache-dtype", "bf16", "--dtype", "bf16");
        Assert.That(eval.Error, Does.Contain("--kv-cache-dtype has no effect").And.Contain("--dtype has no effect").And.Contain(
            "accuracy and F1 are left out").And.Contain("different forms"));
        var select = ToolRun.Of("select", "--model", Bundled.BaseLlama, "--criterion", "magnitude", "--data", data, "--threshold", "0.5",
            "--density", "0.1", "--seed", "1",
            "--target-modules", "layers.0.self_attn.q_proj", "--output-dir", Path.Combine(_directory.FullPath, "selection"));
        Assert.That(select.Error,
            Does.Contain("--data has no effect with --criterion magnitude").And.Contain(
            "--density has no effect beside --threshold").And.Contain("--seed has no effect"));
        Assert.That(ToolRun.Of("inspect", Bundled.BaseLlama, "--device", "cuda").Error, Does.Contain("--device has no effect on inspect"));
        Assert.That(ToolRun.Of("bench", "attention", "--dtype", "bf16", "--length", "4", "--batch-size", "1").Error,
            Does.Contain("--dtype has no effect"));
        string adapter = Bundled.Fixture("hf", "llama", "lora");
        Assert.That(ToolRun.Of("eval", "--model", Bundled.Fixture("hf", "llama", "base"), "--adapter", adapter, "--adapter", adapter + "/",
            "--data", data).Error, Does.Contain("named twice"));
        Assert.That(ToolRun.Of("eval", "--model", "", "--data", data).Error, Does.Contain("--model is empty"));
    }

    [Test]
    public void Training_on_what_is_evaluated_is_told()
    {
        string rows = string.Concat(Enumerable.Range(0, 4).Select(i => $$"""{"text": "It was day number {{i}}."}""" + "\n"));
        string data = Directory.CreateDirectory(Path.Combine(_directory.FullPath, "data")).FullName;
        File.WriteAllText(Path.Combine(data, "train.jsonl"), rows);
        File.WriteAllText(Path.Combine(data, "valid.jsonl"), rows);
        var run = ToolRun.Of(["train", .. Small, "--data", data, "--output-dir", Path.Combine(_directory.FullPath, "run")]);
        Assert.That(run.Error, Does.Contain("all 4 validation rows are training rows too"));
    }

    [Test]
    public void A_benchmark_takes_the_optimizer_and_the_accumulation_that_it_plans_for()
    {
        var report = ToolRun.Of("bench", "step", "--model", Bundled.BaseLlama, "--batch-size", "1", "--max-seq-length", "16", "--optimizer",
            "sgd", "--gradient-accumulation-steps", "2",
            "--steps", "1", "--warmup", "1", "--json").Json;
        Assert.That(report.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(report.GetProperty("planned_bytes").GetInt64()));
    }

    private static long Trainable(string[] call)
    {
        var run = ToolRun.Of(call);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run.Json.GetProperty("trainable").GetInt64();
    }
}

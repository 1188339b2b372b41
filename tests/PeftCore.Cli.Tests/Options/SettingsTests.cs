using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Cli.Tests.Options;

public sealed class SettingsTests
{
    [Test]
    public void Without_flags_every_setting_has_its_default()
    {
        var options = Read();

        Assert.That((options.LoraR, options.LoraAlpha, options.LearningRate, options.BatchSize, options.NumEpochs, options.Seed),
            Is.EqualTo((8, 8.0, 2e-4, 8, 3.0, 42UL)));
        Assert.That((options.UseDora, options.MaskPrompt, options.MaxSteps, options.EvalSteps), Is.EqualTo((false, true, -1, (int?)null)));
    }

    [Test]
    public void Flags_set_values_of_every_kind()
    {
        var options = Read(
            "--lora-r", "16", "--learning-rate", "1e-3", "--use-dora", "--mask-prompt", "false", "--bias", "lora_only", "--dtype", "bf16",
            "--max-steps", "-1",
            "--max-memory", "6GiB", "--target-modules", "q_proj,v_proj", "--seed", "18446744073709551615", "--device", "cuda",
            "--eval-steps", "5");

        Assert.That((options.LoraR, options.LearningRate, options.UseDora, options.MaskPrompt), Is.EqualTo((16, 1e-3, true, false)));
        Assert.That((options.Bias, options.Dtype, options.MaxSteps, options.MaxMemory),
            Is.EqualTo((BiasMode.LoraOnly, DType.BF16, -1, (ByteSize?)new ByteSize(6L << 30))));
        Assert.That((options.TargetModules, options.Seed, options.Device, options.EvalSteps),
            Is.EqualTo(("q_proj,v_proj", ulong.MaxValue, "cuda", (int?)5)));
    }

    [TestCase("--lora-r", "0", "a whole number of at least 1")]
    [TestCase("--lora-r", "2.5", "a whole number")]
    [TestCase("--lora-r", "99999999999", "a whole number")]
    [TestCase("--learning-rate", "nan", "a number of at least 0")]
    [TestCase("--learning-rate", "fast", "a number")]
    [TestCase("--warmup-ratio", "2", "a number from 0 to 1")]
    [TestCase("--bias", "some", "none, lora_only or all")]
    [TestCase("--dtype", "f16", "f32 or bf16")]
    [TestCase("--max-memory", "much", "a size such as 6GiB")]
    [TestCase("--seed", "-1", "a whole number")]
    public void A_value_that_does_not_fit_is_refused_with_what_was_expected(string flag, string value, string expected) =>
        Assert.That(() => Read(flag, value),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"{flag} is \"{value}\"").And.Message.Contains(expected));

    [TestCase("run.yaml",
        "lora_r: 4\nlearning-rate: 1.0e-3\nuse_dora: true\ntarget_modules: [q_proj, v_proj]\ninit_lora_weights: false\nmax_memory: ~\n")]
    [TestCase("run.json",
        """{"lora_r": 4, "learning_rate": 1e-3, "use_dora": true, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": false, "max_memory": null}""")]
    public void A_file_holds_the_same_names_and_flags_win_over_it(string name, string text)
    {
        using var directory = new TemporaryDirectory();
        string file = directory.Write(name, text);

        var options = Read("-c", file, "--lora-r", "32");

        Assert.That((options.LoraR, options.LearningRate, options.UseDora), Is.EqualTo((32, 1e-3, true)));
        Assert.That((options.TargetModules, options.InitLoraWeights), Is.EqualTo(("q_proj,v_proj", "false")));
    }

    [TestCase("run.yaml", "seed: 1\nlora_rnk: 4\n", "run.yaml, line 2: lora_rnk is not a setting; did you mean lora_r")]
    [TestCase("run.json", """{"lerning_rate": 4}""", "run.json: lerning_rate is not a setting; did you mean learning_rate")]
    [TestCase("run.yaml", "lora_r: lots\n", "run.yaml, line 1: lora_r is \"lots\", expected a whole number of at least 1")]
    [TestCase("run.yaml", "lora:\n  r: 4\n", "line 1: lora holds further names")]
    [TestCase("run.yaml", "- 1\n", "expected lines such as")]
    [TestCase("run.yaml", "", "found 0")]
    [TestCase("run.yaml", "lora_r: [1\n", "not valid YAML")]
    [TestCase("run.yaml", "lora_r: 1\nlora_r: 2\n", "not valid YAML")]
    [TestCase("run.json", "[1]", "expected an object")]
    public void A_bad_file_is_refused_with_the_place_and_the_way_out(string name, string text, string expected)
    {
        using var directory = new TemporaryDirectory();
        string file = directory.Write(name, text);

        Assert.That(() => Read("-c", file), Throws.TypeOf<BadInputException>().With.Message.Contains(expected));
    }

    [Test]
    public void Of_a_repeated_flag_the_last_counts() =>
        Assert.That(Read("--lora-r", "4", "--model", "m", "--lora-r", "16").LoraR, Is.EqualTo(16));

    [Test]
    public void A_missing_file_is_bad_input() =>
        Assert.That(() => Read("-c", "nowhere.yaml"), Throws.TypeOf<BadInputException>().With.Message.Contains("nowhere.yaml"));

    [Test]
    public void Resolved_settings_read_back_as_they_were()
    {
        using var directory = new TemporaryDirectory();
        string[] flags = ["--model", "m", "--learning-rate", "0.000123456789", "--max-memory", "6GiB", "--bias", "lora_only", "--dtype",
            "bf16", "--use-rslora", "--target-modules", "a,b"];
        var options = Read(flags);

        string file = directory.Write("resolved.json", new Settings<TrainOptions>().Resolve(options).ToJsonString());

        Assert.That(Read("-c", file), Is.EqualTo(options));
    }

    private static TrainOptions Read(params string[] args)
    {
        var settings = new Settings<TrainOptions>();
        var command = new Command("train", "");
        settings.AddTo(command);
        command.Add(GlobalOptions.Device);
        var parse = command.Parse(args);
        Assert.That(parse.Errors, Is.Empty);
        return settings.Read(parse);
    }
}

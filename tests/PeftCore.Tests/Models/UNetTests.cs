using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.LoHa;
using PeftCore.Peft.LoKr;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Oft;
using PeftCore.Peft.Vera;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Models;

/// <summary>A tiny UNet: configurations, inputs, methods on its convolutions, checkpointing, memory.</summary>
public sealed class UNetTests
{
    private const string Config = """
        {"_class_name": "UNet2DConditionModel", "sample_size": 8, "block_out_channels": [8, 16], "layers_per_block": 1,
         "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
         "attention_head_dim": 2, "cross_attention_dim": 6, "norm_num_groups": 4
        """;

    private static readonly ModuleSelector Targets = ModuleSelector.Of("to_q", "conv1", "conv_in", "downsamplers.0.conv", "conv_shortcut");

    private static IEnumerable<TestCaseData> Methods()
    {
        TargetedConfig[] configs =
        [
            new LoraConfig { Rank = 2, TargetModules = Targets },
            new LoraConfig { Rank = 2, TargetModules = Targets, UseDora = true },
            new LoraConfig { Rank = 2, TargetModules = ModuleSelector.Of("conv1", "conv_in"), LoraBias = true, Init = LoraInit.Gaussian },
            new LoHaConfig { Rank = 2, TargetModules = Targets },
            new LoHaConfig { Rank = 2, TargetModules = Targets, UseEffectiveConv2d = true },
            new LoKrConfig { Rank = 2, TargetModules = Targets },
            new LoKrConfig { Rank = 2, TargetModules = Targets, UseEffectiveConv2d = true, DecomposeBoth = true, DecomposeFactor = 2 },
            new OftConfig { BlockSize = 4, TargetModules = Targets },
            new Ia3Config { TargetModules = Targets, FeedforwardModules = ModuleSelector.Of("conv1", "to_q") },
        ];
        return configs.Select((config, i) => new TestCaseData(config).SetArgDisplayNames($"{config.PeftType} {i}"));
    }

    [TestCaseSource(nameof(Methods))]
    public void A_method_on_convolutions_starts_as_the_base_trains_alone_merges_and_comes_back_from_its_file(object config)
    {
        using var backend = new CpuBackend(1, poison: true);
        using var scope = new TensorScope();
        using var model = New(backend);
        float[] before = Run(model);
        var peft = new PeftModel(model);
        peft.AddAdapter((PeftConfig)config, seed: 3);
        Assert.That(Run(model), Is.EqualTo(before).Within(1e-4f), "a new adapter is the identity");
        var frozen = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Value.ToFloats());
        Perturb(peft);
        using (var tape = new Tape())
        {
            tape.Backward(model.Loss(Inputs(model), Noise(model)));
        }
        Assert.That(peft.Parameters.Where(p => p.Parameter.Gradient is null).Select(p => p.Name), Is.Empty);
        Assert.That(model.NamedParameters().Where(p => p.Parameter.Gradient is not null
            || !p.Parameter.Value.ToFloats().SequenceEqual(frozen[p.Path])).Select(p => p.Path), Is.Empty, "the base stays frozen");
        float[] adapted = Run(model);
        Assert.That(adapted, Is.Not.EqualTo(before).Within(1e-3f));
        peft.Merge();
        Assert.That(Run(model), Is.EqualTo(adapted).Within(2e-4f), "merged");
        peft.Unmerge();
        Assert.That(Run(model), Is.EqualTo(adapted).Within(1e-5f), "unmerged");
        using var directory = new TemporaryDirectory();
        peft.Save(directory.FullPath);
        peft.Delete("default");
        Assert.That(Run(model), Is.EqualTo(before), "deleted");
        peft.Load(directory.FullPath);
        Assert.That(Run(model), Is.EqualTo(adapted).Within(1e-5f), "loaded");
        peft.Unload();
        foreach (var (_, parameter) in peft.Parameters)
        {
            parameter.Value.FreeGradient();
        }
    }

    [Test]
    public void Several_adapters_on_a_convolution_add_up_and_a_mixed_batch_runs_each_alone()
    {
        using var backend = new CpuBackend(1, poison: true);
        using var scope = new TensorScope();
        using var model = New(backend);
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig { Rank = 2, TargetModules = Targets, Init = LoraInit.Random }, "one", seed: 1);
        peft.AddAdapter(new OftConfig { BlockSize = 4, TargetModules = Targets, InitWeights = false }, "two", seed: 2);
        peft.SetActive("one");
        float[] one = Run(model);
        peft.SetActive("two");
        float[] two = Run(model);
        float[] mixed = peft.WithRowAdapters(["one", "two"], () => Run(model));
        int half = mixed.Length / 2;
        Assert.That(mixed.AsSpan(0, half).ToArray(), Is.EqualTo(one.AsSpan(0, half).ToArray()).Within(1e-4f));
        Assert.That(mixed.AsSpan(half).ToArray(), Is.EqualTo(two.AsSpan(half).ToArray()).Within(1e-4f));
        peft.SetActive("one", "two");
        float[] both = Run(model);
        peft.Merge();
        Assert.That(Run(model), Is.EqualTo(both).Within(5e-4f));
        peft.Unload();
    }

    [Test]
    public void Checkpointing_gives_the_same_gradients_and_saves_less()
    {
        using var backend = new CpuBackend(1, poison: true);
        using var scope = new TensorScope();
        using var model = New(backend);
        model.SetRequiresGrad(true);
        var (plain, saved) = Gradients(model);
        model.GradientCheckpointing = true;
        var (again, less) = Gradients(model);
        Assert.That(less, Is.LessThan(saved / 2));
        foreach (var (path, gradient) in plain)
        {
            Assert.That(again[path], Is.EqualTo(gradient).Within(1e-5f), path);
        }
    }

    [Test]
    public void A_step_of_noise_prediction_takes_what_is_planned()
    {
        ITrainable Build(Backend backend)
        {
            var peft = new PeftModel(New(backend));
            peft.AddAdapter(new LoraConfig { Rank = 2, TargetModules = Targets });
            return new TrainableAdapter(peft);
        }
        var options = new TrainerOptions();
        var plan = MemoryPlan.Of(Build, 2, 8, options);
        using var cpu = new CpuBackend(1);
        using var tensors = new TensorScope();
        var trainable = Build(cpu);
        using var optimizer = options.NewOptimizer(trainable);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, options.MaxGradNorm));
        var batch = MemoryPlan.FullBatch(trainable.Model, 2, 8);
        double first = step.Run([batch], 1e-2).Loss;
        Assert.That(plan.PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes).Within(1).Percent);
        for (int i = 1; i < 5; i++)
        {
            Assert.That(step.Run([batch], 1e-2, i, (ulong)i).Loss, Is.LessThan(first * 1.01));
        }
    }

    [TestCase("null", false)]
    [TestCase("\"UNetMidBlock2DCrossAttn\"", true)]
    public void A_null_for_the_block_in_the_middle_means_none(string type, bool has)
    {
        using var model = ModelLoader.Declare(ConfigReader.Parse($"{Config}, \"mid_block_type\": {type}}}", "config.json"));
        Assert.That(model.NamedParameters().Any(p => p.Path.StartsWith("mid_block.", StringComparison.Ordinal)), Is.EqualTo(has));
    }

    [TestCase("\"class_embed_type\": \"text\"", "class_embed_type")]
    [TestCase("\"addition_embed_type\": \"text_time\"", "addition_embed_type")]
    [TestCase("\"resnet_time_scale_shift\": \"scale_shift\"", "resnet_time_scale_shift")]
    [TestCase("\"encoder_hid_dim\": 3", "encoder_hid_dim")]
    [TestCase("\"only_cross_attention\": true", "only_cross_attention")]
    [TestCase("\"num_attention_heads\": 2", "num_attention_heads")]
    [TestCase("\"mid_block_type\": \"UNetMidBlock2D\"", "mid_block_type")]
    [TestCase("\"time_embedding_type\": \"fourier\"", "time_embedding_type")]
    public void A_field_that_changes_the_result_and_is_not_supported_is_refused_by_name(string field, string name)
    {
        var error = Assert.Throws<BadInputException>(() => ModelLoader.Declare(ConfigReader.Parse($"{Config}, {field}}}", "config.json")));
        Assert.That(error.Message, Does.StartWith($"config.json: field \"{name}\" is ").And.Contain("not supported"));
    }

    [Test]
    public void Heads_that_do_not_divide_the_channels_are_refused_with_what_the_field_means()
    {
        var error = Assert.Throws<BadInputException>(() => ModelLoader.Declare(ConfigReader.Parse(
            Config.Replace("\"attention_head_dim\": 2", "\"attention_head_dim\": 3", StringComparison.Ordinal) + "}", "config.json")));
        Assert.That(error.Message, Does.Contain("\"attention_head_dim\" is 3, which does not divide block_out_channels = 8")
            .And.Contain("it is the number of heads"));
    }

    [TestCase(2, 4, 7, 8, 5, "7 × 8 cannot be halved 1 times; use multiples of 2")]
    [TestCase(2, 3, 8, 8, 5, "the picture has 3 channels, but this UNet reads 4")]
    [TestCase(2, 4, 8, 8, 1000, "1000 is no step of the noise schedule; expected 0 to 999")]
    [TestCase(2, 4, 8, 8, -1, "-1 is no step of the noise schedule")]
    public void A_batch_that_does_not_fit_is_refused(int batch, int channels, int height, int width, int step, string expected)
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        using var model = New(backend);
        var error = Assert.Throws<BadInputException>(() => model.ToInputs(Arrays(batch, channels, height, width, step)));
        Assert.That(error.Message, Does.Contain(expected));
    }

    [Test]
    public void A_method_for_linear_layers_says_that_a_convolution_is_none()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        using var model = New(backend);
        var error = Assert.Throws<BadInputException>(() =>
            new PeftModel(model).AddAdapter(new VeraConfig { TargetModules = ModuleSelector.Of("conv1") }));
        Assert.That(error.Message, Does.Contain("neither a linear layer nor an embedding but a Convolution"));
        error = Assert.Throws<BadInputException>(() => new PeftModel(model).AddAdapter(
            new LoraConfig { Rank = 2, Init = LoraInit.Pissa, TargetModules = ModuleSelector.Of("conv1") }));
        Assert.That(error.Message, Does.Contain("is a convolution"));
    }

    private static TransformerModel New(Backend backend)
    {
        var model = ModelLoader.Declare(ConfigReader.Parse(Config + "}", "config.json"));
        ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
        return model;
    }

    private static InputArrays Arrays(int batch, int channels, int height, int width, int step) => new InputArrays { BatchSize = batch }
        .With("sample", Kernels.Numbers.Random(1, batch * channels * height * width), batch, channels, height, width)
        .With("timestep", Enumerable.Repeat((float)step, batch).ToArray(), batch)
        .With("encoder_hidden_states", Kernels.Numbers.Random(2, batch * 3 * 6), batch, 3, 6);

    private static ModelInputs Inputs(TransformerModel model) => model.ToInputs(Arrays(2, 4, 8, 8, 17));

    private static Targets Noise(TransformerModel model) => model.ToTargets(Kernels.Numbers.Random(4, 2 * 4 * 64), 2);

    private static float[] Run(TransformerModel model)
    {
        using var scope = new TensorScope();
        return Tape.NoGrad(() => model.Logits(Inputs(model))).ToFloats();
    }

    /// <summary>Gives every parameter of the adapters other values.</summary>
    private static void Perturb(PeftModel peft)
    {
        int number = 0;
        foreach (var (_, parameter) in peft.Parameters)
        {
            float[] values = parameter.Value.ToFloats(), noise = Kernels.Numbers.Random(50 + number++, values.Length, 0.3f);
            parameter.Value.Upload(values.Zip(noise, (value, by) => value + by).ToArray());
        }
    }

    private static (Dictionary<string, float[]> Gradients, long Saved) Gradients(TransformerModel model)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var loss = model.Loss(Inputs(model), Noise(model));
        long saved = tape.SavedBytes;
        tape.Backward(loss);
        var gradients = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Gradient!.ToFloats());
        foreach (var (_, parameter) in model.NamedParameters())
        {
            parameter.Value.FreeGradient();
        }
        return (gradients, saved);
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Models.Audio;

public sealed class SpeechModelTests
{
    private CpuBackend _cpu = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open() => (_cpu, _scope) = (new CpuBackend(1), new TensorScope());

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _cpu.Dispose();
    }

    [Test]
    public void A_padded_recording_gets_the_logits_and_the_loss_that_it_has_alone()
    {
        var model = TinySpeech.Load("xlsr_ctc", _cpu);
        var batch = TinySpeech.BatchOf(model, 0, 400, 260);
        var inputs = batch.ToInputs(model);
        float[] both = model.Logits(inputs).ToFloats(), alone = model.Logits(batch.Row(1).ToInputs(model)).ToFloats();
        Assert.That(inputs.FrameCounts, Is.EqualTo(new[] { 19, alone.Length / 20 }));
        Assert.That(Fixtures.Error(both.AsSpan(both.Length / 2, alone.Length), alone), Is.LessThan(1e-5));
        double mean = (LossOf(model, batch.Row(0)) + LossOf(model, batch.Row(1))) / 2;
        Assert.That(LossOf(model, batch), Is.EqualTo(mean).Within(1e-5 * mean));
    }

    [Test]
    public void Micro_batches_add_up_to_the_mean_over_recordings()
    {
        var model = TinySpeech.Load("xlsr_ctc", _cpu);
        var batch = TinySpeech.BatchOf(model, 0, 400, 400);
        double parts = Enumerable.Range(0, 2).Sum(row =>
            model.Loss(batch.Row(row).ToInputs(model), batch.Row(row).ToTargets(model, 2)).Item());
        Assert.That(parts, Is.EqualTo(LossOf(model, batch)).Within(1e-5 * parts));
    }

    [TestCaseSource(typeof(TinySpeech), nameof(TinySpeech.Names))]
    public void Checkpointing_changes_no_gradient(string name)
    {
        var model = TinySpeech.Load(name, _cpu);
        model.SetRequiresGrad(true);
        float[][] expected = Gradients(model);
        model.GradientCheckpointing = true;
        float[][] found = Gradients(model);
        // Gradients of the encoder's states are added in another order.
        Assert.That(found.Zip(expected).Max(pair => Fixtures.Error(pair.First, pair.Second)), Is.LessThan(1e-4));
    }

    [TestCaseSource(typeof(TinySpeech), nameof(TinySpeech.Names))]
    public void Captured_steps_have_the_bits_of_eager_ones(string name)
    {
        var (values, launches) = Train(name, capture: true);
        var (expected, none) = Train(name, capture: false);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(expected));
            Assert.That((launches, none), Is.EqualTo((4, 0)));
        }
    }

    [Test]
    public void SpecAugment_masks_by_seed_and_step_in_training_only()
    {
        var model = TinySpeech.With("xlsr_ctc", _cpu, ("apply_spec_augment", "true"), ("mask_time_prob", "0.3"),
            ("mask_time_length", "2"), ("mask_feature_prob", "0.2"), ("mask_feature_length", "3"));
        var batch = TinySpeech.BatchOf(model, 0, 400, 260);
        double plain = LossOf(model, batch);
        Assert.That(LossOf(model, batch), Is.EqualTo(plain));
        model.Mode.Training = true;
        double[] masked = [.. new ulong[] { 1, 1, 2 }.Select(step =>
        {
            model.Mode.Step = step;
            return LossOf(model, batch);
        })];
        Assert.That(masked[0], Is.EqualTo(masked[1]).And.Not.EqualTo(plain));
        Assert.That(masked[2], Is.Not.EqualTo(masked[0]));
    }

    [Test]
    public void SpecAugment_masks_about_the_share_that_is_configured_within_the_recording()
    {
        var spans = new SpecSpans("mask_time", 0.5, 10, 2);
        var mode = new RunMode { Seed = 4 };
        bool[] mask = spans.Mask(mode, 2, batch: 4, count: 400, lengths: [400, 400, 400, 100])!;
        Assert.That(mask.AsSpan(1300).Contains(true), Is.False, "padding");
        Assert.That(mask[..400].Count(masked => masked) / 400.0, Is.InRange(0.25, 0.5)); // Spans overlap.
        Assert.That(() => spans.Mask(mode, 2, 1, 5, null),
            Throws.TypeOf<BadInputException>().With.Message.Contains("mask_time_length is 10"));
    }

    [Test]
    public void A_transcript_longer_than_its_frames_is_refused()
    {
        var model = TinySpeech.Load("wav2vec2_ctc", _cpu);
        var inputs = TinySpeech.BatchOf(model, 0, 60).ToInputs(model);
        Assert.That(() => model.Loss(inputs, model.ToTargets([5, 5, 6], 1)), Throws.TypeOf<BadInputException>().With.Message.Contains(
            "takes 4 frames, but its recording has 2"));
        Assert.That(() => model.ToTargets([20], 1), Throws.TypeOf<BadInputException>().With.Message.Contains("label 20"));
        var lenient = TinySpeech.With("wav2vec2_ctc", _cpu, ("ctc_zero_infinity", "true"));
        Assert.That(lenient.Loss(TinySpeech.BatchOf(lenient, 0, 60).ToInputs(lenient), lenient.ToTargets([5, 5, 6], 1)).Item(), Is.Zero);
    }

    [TestCase("wav2vec2_ctc", "conv_stride", "[5, 2]", "conv_dim")]
    [TestCase("wav2vec2_ctc", "conv_kernel", "[10, 0, 2]", "conv_kernel")]
    [TestCase("wav2vec2_ctc", "num_conv_pos_embedding_groups", "5", "num_conv_pos_embedding_groups")]
    [TestCase("wav2vec2_ctc", "feat_extract_norm", "\"batch\"", "feat_extract_norm")]
    [TestCase("wav2vec2_ctc", "add_adapter", "true", "add_adapter")]
    [TestCase("wav2vec2_ctc", "adapter_attn_dim", "16", "adapter_attn_dim")]
    [TestCase("wav2vec2_ctc", "ctc_loss_reduction", "\"none\"", "ctc_loss_reduction")]
    [TestCase("wav2vec2_ctc", "pad_token_id", "20", "pad_token_id")]
    [TestCase("whisper", "encoder_attention_heads", "5", "encoder_attention_heads")]
    [TestCase("whisper", "d_model", "33", "d_model")]
    public void A_wrong_field_is_named(string name, string field, string json, string named) =>
        Assert.That(() => TinySpeech.With(name, _cpu, (field, json)),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"\"{named}\""));

    [Test]
    public void A_spectrogram_of_another_size_is_refused()
    {
        var model = TinySpeech.Load("whisper", _cpu);
        var arrays = new InputArrays { BatchSize = 1, Labels = [5] }.With("input_features", new float[16 * 20], 1, 16, 20);
        Assert.That(() => model.ToInputs(arrays), Throws.TypeOf<BadInputException>().With.Message.Contains("16 bins and 30 frames"));
    }

    [Test]
    public void Adapters_change_the_convolutions_that_are_not_grouped_and_merge()
    {
        var model = new PeftModel(TinySpeech.Load("xlsr_ctc", _cpu));
        var batch = TinySpeech.BatchOf(model.Base, 0, 400, 300);
        var targets = ModuleSelector.Of("conv_layers.1.conv", "conv_layers.2.conv", "q_proj");
        model.AddAdapter(new LoraConfig { Rank = 2, TargetModules = targets });
        Move(model);
        float[] adapted = Logits(model.Base, batch);
        model.Merge();
        Assert.That(Fixtures.Error(Logits(model.Base, batch), adapted), Is.LessThan(1e-5));
        model.Unload();
    }

    [TestCaseSource(typeof(TinySpeech), nameof(TinySpeech.Names))]
    public void Every_kind_of_method_trains_merges_and_comes_off(string name)
    {
        using var directory = new TemporaryDirectory();
        foreach (var config in Methods())
        {
            using var scope = new TensorScope();
            var model = new PeftModel(TinySpeech.Load(name, _cpu));
            var batch = TinySpeech.BatchOf(model.Base, 0, 400, 300);
            float[] before = Logits(model.Base, batch);
            model.AddAdapter(config);
            if (config.StartsAsBase)
            {
                Assert.That(Fixtures.Error(Logits(model.Base, batch), before), Is.LessThan(1e-5), $"{config.PeftType} at the start");
            }
            using (var optimizer = new AdamW(model.Parameters))
            using (var step = new TrainingStep(new TrainableAdapter(model), optimizer, 1))
            {
                double first = step.Run([batch], 1e-2).Loss, last = first;
                for (int i = 1; i < 6; i++)
                {
                    last = step.Run([batch], 1e-2, i, (ulong)i).Loss;
                }
                Assert.That(last, Is.LessThan(first), $"{config.PeftType} learns");
            }
            float[] trained = Logits(model.Base, batch);
            model.Save(directory.FullPath);
            model.Disable();
            Assert.That(Fixtures.Error(Logits(model.Base, batch), before), Is.LessThan(1e-5), $"{config.PeftType} disabled");
            model.Enable();
            model.Unload();
            model.Load(directory.FullPath);
            Assert.That(Fixtures.Error(Logits(model.Base, batch), trained), Is.LessThan(1e-6), $"{config.PeftType} loaded again");
            model.Unload();
            Assert.That(Fixtures.Error(Logits(model.Base, batch), before), Is.LessThan(1e-5), $"{config.PeftType} taken off");
            model.Base.Dispose();
        }
    }

    [TestCase("wav2vec2_ctc", "do not read")]
    [TestCase("whisper", "have no place for")]
    public void Virtual_tokens_before_sound_are_refused(string name, string why)
    {
        var model = new PeftModel(TinySpeech.Load(name, _cpu));
        Assert.That(() => model.AddAdapter(new PeftCore.Peft.Prompts.PromptTuningConfig { NumVirtualTokens = 2 }),
            Throws.TypeOf<BadInputException>().With.Message.Contains(why));
    }

    private static IEnumerable<PeftConfig> Methods() =>
    [
        new LoraConfig(), new LoraConfig { UseDora = true, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) },
        new PeftCore.Peft.Ia3.Ia3Config(), new PeftCore.Peft.Vera.VeraConfig(), new PeftCore.Peft.Oft.OftConfig { BlockSize = 4 },
        new PeftCore.Peft.LoHa.LoHaConfig { Rank = 2 }, new PeftCore.Peft.LoKr.LoKrConfig { Rank = 2 },
        new PeftCore.Peft.Bottlenecks.BottleneckConfig(), new PeftCore.Peft.Selective.BitFitConfig(),
        new PeftCore.Peft.Selective.LnTuningConfig(), new PeftCore.Peft.Selective.LastLayersConfig { NumTrainedLayers = 1 },
    ];

    private static float[] Logits(TransformerModel model, Batch batch)
    {
        using var scope = new TensorScope();
        model.Mode.Training = false;
        return Tape.NoGrad(() => model.Logits(batch.ToInputs(model)).ToFloats());
    }

    private static double LossOf(TransformerModel model, Batch batch)
    {
        using var scope = new TensorScope();
        return model.Loss(batch.ToInputs(model), batch.ToTargets(model)).Item();
    }

    private void Move(PeftModel model)
    {
        ulong stream = 0;
        foreach (var (_, parameter) in model.Parameters)
        {
            _cpu.FillNormal(parameter.Value, 0, 0.1f, 5, stream++);
        }
    }

    private static float[][] Gradients(TransformerModel model)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var batch = TinySpeech.BatchOf(model, 0, 400, 300);
        tape.Backward(model.Loss(batch.ToInputs(model), batch.ToTargets(model)));
        float[][] all = [.. model.NamedParameters().Select(p => p.Parameter.Gradient?.ToFloats() ?? [])];
        foreach (var (_, parameter) in model.NamedParameters())
        {
            parameter.Value.FreeGradient();
        }
        return all;
    }

    private static (List<double> Values, int Launches) Train(string name, bool capture)
    {
        using var cpu = new CpuBackend(1, captureGraphs: capture);
        using var scope = new TensorScope();
        var model = new PeftModel(TinySpeech.Load(name, cpu));
        model.AddAdapter(new LoraConfig { Rank = 2, Dropout = 0.1 }, seed: 5);
        ITrainable trainable = new TrainableAdapter(model);
        using var optimizer = new AdamW(trainable.Parameters);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        var values = new List<double>();
        for (int i = 0; i < 6; i++)
        {
            values.Add(step.Run([TinySpeech.BatchOf(model.Base, i, 400, 380)], 1e-2, i, (ulong)i).Loss);
        }
        int launches = (step as CapturedStep)?.GraphLaunches ?? 0;
        model.Unload();
        model.Base.Dispose();
        return (values, launches);
    }
}

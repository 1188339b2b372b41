using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;
using PeftCore.Peft.Selective;
using PeftCore.Training;

namespace PeftCore.Tests.Peft;

/// <summary>What can be seen of a model from outside: ΔW of a layer, attention probabilities, gradients of a step.</summary>
public sealed class InsideTests
{
    private const string Path = "model.layers.0.self_attn.q_proj";

    private static IEnumerable<PeftConfig> Changes =>
    [
        new LoraConfig { Rank = 3, TargetModules = ModuleSelector.Of("q_proj") },
        new LoraConfig { Rank = 3, UseDora = true, TargetModules = ModuleSelector.Of("q_proj") },
        new Ia3Config { TargetModules = ModuleSelector.Of("q_proj"), FeedforwardModules = ModuleSelector.Of() },
        new FullConfig(),
    ];

    [TestCaseSource(nameof(Changes))]
    public void The_update_of_a_weight_is_what_a_merge_adds(PeftConfig config)
    {
        using var bench = new Bench(Family.Llama);
        var layer = (Linear)bench.Model.Base.Find(Path)!;
        float[] before = layer.Weight.Value.ToFloats();
        bench.Model.AddAdapter(config);
        bench.Perturb();
        var (delta, values) = bench.Model.WeightUpdate(Path)!.Value;
        bench.Model.Merge();
        float[] after = layer.Weight.Value.ToFloats();
        bench.Model.Unmerge();

        Assert.That(delta, Has.Length.EqualTo(layer.Outputs * layer.Inputs));
        Assert.That(delta.Zip(after.Zip(before, (w, w0) => w - (double)w0), (one, other) => Math.Abs(one - other)), Is.All.LessThan(1e-5));
        Assert.That(values, Has.Length.EqualTo(Math.Min(layer.Outputs, layer.Inputs)).And.Ordered.Descending);
        Assert.That(values.Sum(value => value * value), Is.EqualTo(delta.Sum(value => value * value)).Within(1e-6).Percent);
        if (config is LoraConfig { UseDora: false })
        {
            Assert.That(values.Skip(3), Is.All.LessThan(values[0] * 1e-5));
        }
    }

    [Test]
    public void A_weight_that_no_adapter_changes_has_no_update()
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(new LoraConfig { TargetModules = ModuleSelector.Of("v_proj") });

        Assert.That(bench.Model.WeightUpdate(Path), Is.Null);
        Assert.That(bench.Model.WeightUpdate(Path.Replace("q_proj", "v_proj"))!.Value.SingularValues, Is.All.Zero);
        Assert.That(() => bench.Model.WeightUpdate("model.layers.0"), Throws.InstanceOf<BadInputException>()
            .With.Message.EqualTo("\"model.layers.0\" is no linear layer of this model"));
    }

    [Test]
    public void The_update_of_a_merged_adapter_is_the_same_and_it_stays_merged()
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(new LoraConfig { TargetModules = ModuleSelector.Of("q_proj") });
        bench.Perturb();
        double[] before = bench.Model.WeightUpdate(Path)!.Value.Delta;
        bench.Model.Merge();
        float[] merged = bench.Logits();

        Assert.That(bench.Model.WeightUpdate(Path)!.Value.Delta, Is.EqualTo(before));
        Assert.That(bench.Logits(), Is.EqualTo(merged));
    }

    [Test]
    public void Attention_sums_to_one_over_the_tokens_so_far()
    {
        using var bench = new Bench(Family.Llama);
        var (probabilities, shape) = bench.Model.Base.AttentionOf([1, 2, 3, 4, 5], 1);

        Assert.That(shape, Is.EqualTo(PeftCore.Tensors.Shape.Of(bench.Model.Base.HeadCount, 5, 5)));
        for (int row = 0; row < shape[0] * 5; row++)
        {
            float[] keys = probabilities[(row * 5)..(row * 5 + 5)];
            Assert.That(keys.Sum(), Is.EqualTo(1).Within(1e-5f));
            Assert.That(keys.Skip(row % 5 + 1), Is.All.Zero);
            Assert.That(keys.Take(row % 5 + 1), Is.All.Positive);
        }
    }

    [TestCase(true, 9, 5)]
    [TestCase(false, 9, 9)]
    public void Attention_includes_prefixes_and_virtual_tokens(bool prefix, int keys, int queries)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(prefix ? new PrefixTuningConfig { NumVirtualTokens = 4 } : new PromptTuningConfig { NumVirtualTokens = 4 });
        var (probabilities, shape) = bench.Model.Base.AttentionOf([1, 2, 3, 4, 5], 0);

        Assert.That((shape[1], shape[2]), Is.EqualTo((queries, keys)));
        Assert.That(probabilities.Sum(), Is.EqualTo(shape[0] * queries).Within(1e-3f));
        Assert.That(probabilities[..4], prefix ? Is.All.Positive : Has.Some.Zero);
    }

    [TestCase("wav2vec2_ctc")]
    [TestCase("whisper")]
    [TestCase("vit")]
    [TestCase("unet")]
    [TestCase("t5")]
    public void A_model_that_is_no_decoder_of_tokens_is_refused(string family)
    {
        using var backend = new CpuBackend(1);
        using var model = ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), backend);
        Assert.That(() => model.AttentionOf([1, 2], 0), Throws.InstanceOf<BadInputException>().With.Message.Contains("no decoder of tokens"));
    }

    [Test]
    public void Looking_at_attention_leaves_no_memory_and_no_mode_behind()
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Base.AttentionOf([1, 2], 0);
        long before = bench.Model.Base.Backend.Memory.CurrentBytes;
        bench.Model.Base.Mode.Training = true;
        bench.Model.Base.AttentionOf([1, 2, 3], 0);

        Assert.That(bench.Model.Base.Backend.Memory.CurrentBytes, Is.EqualTo(before));
        Assert.That(bench.Model.Base.Mode.Training, Is.True);
        Assert.That(() => bench.Model.Base.AttentionOf([1], 9), Throws.InstanceOf<BadInputException>().With.Message.Contains("block is 9, expected"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void The_gradients_of_a_step_can_be_read_before_the_update(bool trace)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(new LoraConfig { Rank = 2, TargetModules = ModuleSelector.Of("q_proj") });
        using var step = new AdapterStep(bench.Model, new TrainerOptions());
        double norm = 0;
        float[] before = [];
        var first = bench.Model.Parameters[0].Parameter;
        step.GradientsReady = () =>
        {
            norm = Math.Sqrt(bench.Model.Parameters.Sum(p => p.Parameter.Gradient!.ToFloats().Sum(g => (double)g * g)));
            before = first.Value.ToFloats();
        };
        var batches = new[] { MemoryPlan.FullBatch(bench.Base, 2, 6), MemoryPlan.FullBatch(bench.Base, 2, 8, seed: 1) };
        float[] start = first.Value.ToFloats();
        // Three times: eagerly, while a graph is captured, and from the graph.
        for (int i = 0; i < 3; i++)
        {
            var result = trace ? step.Trace(batches, 1e-3, i).Result : step.Run(batches, 1e-3, i);
            Assert.That(norm, Is.EqualTo(result.GradientNorm).Within(1e-4).Percent);
            Assert.That(i > 0 || before.SequenceEqual(start), Is.True, "the update comes later");
        }
        Assert.That(first.Gradient, Is.Null);
    }
}

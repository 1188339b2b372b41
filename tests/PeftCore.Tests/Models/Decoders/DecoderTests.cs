using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;

namespace PeftCore.Tests.Models.Decoders;

/// <summary>Switches of a decoder's spec whose effect can be said by another model.</summary>
public sealed class DecoderTests
{
    private const int Length = 7;

    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [TestCase(4, false, TestName = "q, k and v side by side, with as many keys as queries")]
    [TestCase(2, false, TestName = "q, k and v side by side, with fewer keys")]
    [TestCase(4, true, TestName = "Each key head with its query, key and value")]
    [TestCase(2, true, TestName = "Each key head with its queries, key and value")]
    [TestCase(1, true, TestName = "One key head with all queries")]
    public void A_fused_projection_computes_what_separate_ones_do(int keyHeads, bool perKeyHead)
    {
        var spec = TinyModels.LlamaSpec with { KeyHeads = keyHeads };
        var apart = Made(spec);
        var fused = Made(spec with { Names = new DecoderNames { Qkv = "qkv_proj" }, QkvPerKeyHead = perKeyHead });
        Copy(apart, fused);
        for (int i = 0; i < spec.Layers; i++)
        {
            string path = $"model.layers.{i}.self_attn.";
            float[][] parts = [.. new[] { "q_proj", "k_proj", "v_proj" }.Select(name => Weight(apart, path + name).ToFloats())];
            Put(Weight(fused, path + "qkv_proj"), Joined(parts, keyHeads, perKeyHead));
        }
        Assert.That(Logits(fused), Is.EqualTo(Logits(apart)).Within(1e-6f));
        Assert.That(Gradient(fused), Is.EqualTo(Gradient(apart)).Within(1e-5f), "the gradient of the embedding");
        Assert.That(OneByOne(fused), Is.EqualTo(Logits(apart)).Within(1e-6f), "with a cache");
    }

    [Test]
    public void Norms_in_modules_of_their_own_compute_what_one_weight_does()
    {
        var one = Made(TinyModels.LlamaSpec with { QkNorm = QkNorm.HeadWeights });
        var many = Made(TinyModels.LlamaSpec with { QkNorm = QkNorm.HeadModules });
        Copy(one, many);
        for (int i = 0; i < 4; i++)
        {
            Spread($"model.layers.{i}.self_attn.q_norm", 4);
            Spread($"model.layers.{i}.self_attn.k_norm", 2);
        }
        Assert.That(Logits(many), Is.EqualTo(Logits(one)).Within(1e-6f));
        Assert.That(Gradient(many), Is.EqualTo(Gradient(one)).Within(1e-5f));

        void Spread(string path, int heads)
        {
            float[] weight = [.. Enumerable.Range(0, heads * 4).Select(j => 0.5f + 0.1f * j)];
            Put(Weight(one, path), weight);
            for (int h = 0; h < heads; h++)
            {
                Put(Weight(many, $"{path}.norms.{h}"), weight[(4 * h)..(4 * h + 4)]);
            }
        }
    }

    [Test]
    public void A_parallel_block_adds_what_both_sublayers_make_of_its_input()
    {
        var spec = TinyModels.LlamaSpec with
        {
            Layers = 1,
            Order = BlockOrder.Parallel,
            Names = new DecoderNames { Norms = BlockNorms.Shared },
        };
        var both = Made(spec);
        float[] sum = Hidden(both);
        float[] attention = Hidden(Without(spec, "mlp.down_proj")), mlp = Hidden(Without(spec, "self_attn.o_proj"));
        float[] neither = Hidden(Without(spec, "mlp.down_proj", "self_attn.o_proj"));
        Assert.That(sum, Is.EqualTo(attention.Select((a, i) => a + mlp[i] - neither[i])).Within(1e-5f));
    }

    [Test]
    public void Queries_grow_beyond_the_context_of_pre_training_only()
    {
        var plain = Made(TinyModels.LlamaSpec with { Layers = 1 });
        var growing = Made(TinyModels.LlamaSpec with { Layers = 1, QueryGrowth = new QueryGrowth(2, 4) });
        int row = TinyModels.Vocabulary;
        Assert.That(Logits(growing)[..(4 * row)], Is.EqualTo(Logits(plain)[..(4 * row)]).Within(1e-6f));
        Assert.That(Logits(growing)[(4 * row)..], Is.Not.EqualTo(Logits(plain)[(4 * row)..]).Within(1e-4f));
    }

    [TestCase("embedding")]
    [TestCase("attention")]
    [TestCase("probabilities")]
    [TestCase("mlp")]
    public void Dropout_of_the_base_runs_in_training_only_and_the_same_when_blocks_are_recomputed(string place)
    {
        var spec = TinyModels.Gpt2Spec with
        {
            EmbeddingDropout = place == "embedding" ? 0.5f : 0,
            AttentionDropout = place == "attention" ? 0.5f : 0,
            ProbabilityDropout = place == "probabilities" ? 0.5f : 0,
            MlpDropout = place == "mlp" ? 0.5f : 0,
        };
        var model = Made(spec);
        Assert.That(Gradient(model), Is.EqualTo(Gradient(Made(TinyModels.Gpt2Spec))), "in evaluation");
        float[] quiet = Gradient(model);
        model.Mode.Training = true;
        float[] dropped = Gradient(model);
        Assert.That(dropped, Is.Not.EqualTo(quiet).Within(1e-4f));
        model.GradientCheckpointing = true;
        Assert.That(Gradient(model), Is.EqualTo(dropped).Within(1e-6f));
        model.Mode.Step++;
        Assert.That(Gradient(model), Is.Not.EqualTo(dropped).Within(1e-4f), "another step has another mask");
    }

    [Test]
    public void Logits_are_capped_and_scaled_in_the_loss_as_in_the_logits()
    {
        var model = Made(TinyModels.LlamaSpec with { LogitMultiplier = 3, LogitSoftCap = 2 });
        float[] plain = Logits(Made(TinyModels.LlamaSpec)), logits = Logits(model);
        Assert.That(logits, Is.EqualTo(plain.Select(l => 2 * MathF.Tanh(3 * l / 2))).Within(1e-5f));
        int[] ids = [.. Enumerable.Range(0, TinyModels.Batch * TinyModels.Length).Select(i => (i * 11 + 3) % TinyModels.Vocabulary)];
        var of = model.Logits(ModelInputs.From(_backend, ids, TinyModels.Batch));
        var targets = Targets.FromLabels(_backend, ids, TinyModels.Batch);
        var flat = of.Reshape([of.Shape.Rows, of.Shape.Columns]);
        var rows = targets.Rows is { } kept ? flat.Rows(kept) : flat;
        float expected = rows.CrossEntropy(targets.Tokens, 1).ScaleBy(targets.InverseCount).Item();
        Assert.That(TinyModels.Loss(model).Item(), Is.EqualTo(expected).Within(1e-5f));
    }

    [Test]
    public void Names_may_be_paths_and_the_mlp_may_lie_in_the_block()
    {
        var model = new Decoder(TinyModels.Gpt2Spec with
        {
            Names = TinyModels.Gpt2Spec.Names with { Body = "model.decoder", Attention = "attn.attention", Mlp = "", Up = "fc1", Down = "fc2" },
        });
        Assert.That(model.NamedParameters().Select(p => p.Path), Does.Contain("model.decoder.h.0.attn.attention.c_attn.weight")
            .And.Contain("model.decoder.h.2.fc1.bias").And.Contain("model.decoder.h.2.fc2.weight").And.Contain("model.decoder.wte.weight"));
        Assert.That(model.BasePrefix, Is.EqualTo("model."));
    }

    [Test]
    public void Position_tables_change_when_they_are_made_anew_and_with_the_frequencies_of_a_batch()
    {
        var rope = new LongRope(new FloatList([1, 1]), new FloatList([2, 2]), OriginalLength: 5, CosineFactor: 1);
        var model = Made(TinyModels.LlamaSpec with { Rope = new RopeSpec(10000, rope, 4) });
        Logits(model);
        long state = model.PositionTables(Length);
        Assert.That(model.PositionTables(6), Is.EqualTo(state), "as long as the original length is exceeded");
        Assert.That(model.PositionTables(5), Is.Not.EqualTo(state), "the other list of divisors");
        model.Logits(ModelInputs.From(_backend, [1, 2], 1));
        Logits(model);
        Assert.That(model.PositionTables(Length), Is.Not.EqualTo(state), "the tables were made again");
    }

    private static float[] Joined(float[][] parts, int keyHeads, bool perKeyHead)
    {
        // Rows of (out, in) weights belong to outputs, so that the order of rows is that of the outputs.
        int groups = perKeyHead ? keyHeads : 1;
        var joined = new List<float>();
        for (int g = 0; g < groups; g++)
        {
            foreach (float[] part in parts)
            {
                int size = part.Length / groups;
                joined.AddRange(part.AsSpan(g * size, size));
            }
        }
        return [.. joined];
    }

    private static Tensor Weight(Decoder model, string path) => model.Find(path)!.OwnParameter("weight")!.Value;

    private static void Copy(Decoder from, Decoder to)
    {
        foreach (var (path, parameter) in to.NamedParameters())
        {
            if (from.NamedParameters().FirstOrDefault(p => p.Path == path).Parameter is { } source)
            {
                Put(parameter.Value, source.Value.ToFloats());
            }
        }
    }

    private static void Put(Tensor weight, float[] values) => weight.Backend.Copy(weight.Backend.From(values, weight.Shape), weight);

    private Decoder Made(DecoderSpec spec)
    {
        var model = new Decoder(spec);
        ModelLoader.Initialize(model, _backend, DType.F32, seed: 3);
        foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Parameter.Shape.Rank > 1))
        {
            _backend.Scale(parameter.Value, 8, parameter.Value, accumulate: false);
        }
        return model;
    }

    private Decoder Without(DecoderSpec spec, params string[] layers)
    {
        var model = Made(spec);
        foreach (string layer in layers)
        {
            _backend.Zero(Weight(model, "model.layers.0." + layer));
        }
        return model;
    }

    private static int[] Ids => [.. Enumerable.Range(0, Length).Select(i => i * 3 % TinyModels.Vocabulary)];

    private float[] Logits(Decoder model) => model.Logits(ModelInputs.From(_backend, Ids, 1)).ToFloats();

    /// <summary>The hidden states before the final norm, whose scale is removed by a norm of ones: the sum is linear only there.</summary>
    private float[] Hidden(Decoder model)
    {
        Tensor? last = null;
        model.FinalNorm.Hook = new Probe(x => last = x);
        model.Hidden(ModelInputs.From(_backend, Ids, 1));
        return last!.ToFloats();
    }

    private float[] OneByOne(Decoder model)
    {
        using var cache = new KvCache(_backend, model.LayerCount, Length, model.KeyColumns);
        return [.. Ids.SelectMany(id => model.Logits(ModelInputs.After(cache, _backend, [id])).ToFloats())];
    }

    private static float[] Gradient(Decoder model)
    {
        model.TokenEmbedding.Weight.RequiresGrad = true;
        using var tape = new Tape();
        tape.Backward(TinyModels.Loss(model));
        float[] gradient = model.TokenEmbedding.Weight.Gradient!.ToFloats();
        model.TokenEmbedding.Weight.RequiresGrad = false;
        return gradient;
    }

    private sealed class Probe(Action<Tensor> see) : LayerHook
    {
        public override Tensor Forward(Tensor x)
        {
            see(x);
            return x;
        }
    }
}

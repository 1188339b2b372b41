using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Peft;
using PeftCore.Peft.Bottlenecks;
using PeftCore.Tensors;

namespace PeftCore.Tests.Peft;

[TestFixtureSource(typeof(Family), nameof(Family.All))]
public sealed class BottleneckTests(Family family)
{
    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    [SetUp]
    public void Load() => _bench = new Bench(family);

    [TearDown]
    public void Free() => _bench.Dispose();

    [TestCase("seq_bn", "y = x + h + W2·relu(W1·(x + h) + b1) + b2")]
    [TestCase("double_seq_bn", "y = x + h + W2·silu(W1·h + b1) + b2")]
    [TestCase("par_bn", "y = x + h + 4·(W2·relu(W1·x + b1) + b2)")]
    public void An_architecture_computes_its_equation(string architecture, string equation)
    {
        Model.AddAdapter(BottleneckConfig.Of(architecture));
        _bench.Perturb(1, 0.3f);
        int hidden = _bench.Base.HiddenSize;
        float[] x = Numbers(1, hidden), h = Numbers(2, hidden);
        using var scope = new TensorScope();
        var sum = _bench.Base.ResidualsOf(1).FeedForward;
        float[] ours = sum.Add(_bench.Backend.From(x, [1, 1, hidden]), _bench.Backend.From(h, [1, 1, hidden]))
            .ToArray<float>();
        float[] W(string name) =>
            Model.Parameters.Single(p => p.Name.Contains(".1.output_adapters.default." + name,
                StringComparison.Ordinal)).Parameter.Value.ToArray<float>();
        float[] w1 = W("adapter_down.weight"), b1 = W("adapter_down.bias"), w2 = W("adapter_up.weight"), b2 = W("adapter_up.bias");
        double[] u = [.. x.Zip(h, (a, b) => (double)(architecture == "par_bn" ? a : architecture == "seq_bn" ? a + b : b))];
        double[] inner = [.. b1.Select((b, i) => Activate(b + u.Select((value, j) => value * w1[i * hidden + j]).Sum()))];
        for (int o = 0; o < hidden; o++)
        {
            double f = b2[o] + inner.Select((value, i) => value * w2[o * inner.Length + i]).Sum();
            Assert.That(ours[o], Is.EqualTo(x[o] + h[o] + (architecture == "par_bn" ? 4 : 1) * f).Within(1e-4), equation);
        }

        double Activate(double value) => architecture == "double_seq_bn" ? value / (1 + Math.Exp(-value)) : Math.Max(0, value);
    }

    [Test]
    public void An_architecture_has_the_settings_that_AdapterHub_gives_its_name()
    {
        var houlsby = (BottleneckConfig)PeftConfig.Create("bottleneck", new JsonObject
        {
            ["architecture"] = "double_seq_bn",
            ["reduction_factor"] = 8
        });
        var parallel = (BottleneckConfig)PeftConfig.Create("bottleneck",
            new JsonObject { ["architecture"] = "par_bn", ["scaling"] = "learned" });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(houlsby,
                Is.EqualTo(BottleneckConfig.DoubleSeqBn with
                {
                    ReductionFactor = 8,
                    ReductionFactors = houlsby.ReductionFactors,
                    LeaveOut = houlsby.LeaveOut,
                    TaskType = null
                }));
            Assert.That(houlsby is
            {
                MhAdapter: true, OutputAdapter: true, NonLinearity: "swish", OriginalLnBefore: false,
                InitWeights: BottleneckInit.Bert
            });
            Assert.That(parallel is
            {
                IsParallel: true, Scaling: BottleneckScaling.Learned, ReductionFactor: 2,
                InitWeights: BottleneckInit.MamAdapter, MhAdapter: false
            });
        }
    }

    [Test]
    public void The_width_is_the_hidden_size_over_the_factor_of_the_block_and_at_least_one()
    {
        Model.AddAdapter(BottleneckConfig.SeqBn with
        {
            ReductionFactor = 1000,
            ReductionFactors = new Dictionary<int, double> { [1] = 5 }
        });
        int[] widths = [.. Model.Parameters.Where(p => p.Name.EndsWith("adapter_down.weight", StringComparison.Ordinal))
            .Select(p => p.Parameter.Shape[0])];
        Assert.That(widths, Is.EqualTo(new[] { 1, _bench.Base.HiddenSize / 5 }));
    }

    [Test]
    public void Two_bottlenecks_and_a_low_rank_update_work_together_and_switch()
    {
        float[] plain = _bench.Logits();
        Model.AddAdapter(BottleneckConfig.SeqBn with { ReductionFactor = 4 }, "one", seed: 1);
        Model.AddAdapter(BottleneckConfig.ParBn, "two", seed: 2);
        _bench.Perturb(3);
        Model.AddAdapter(new PeftCore.Peft.Lora.LoraConfig { Rank = 2, TargetModules = ModuleSelector.Of(family.Attention) }, "three");
        _bench.Perturb(4);
        Model.SetActive("one", "two", "three");
        float[] all = _bench.Logits();
        Model.SetActive("two");
        float[] two = _bench.Logits();
        Assert.That(Fixtures.Error(all, two), Is.GreaterThan(1e-4));
        Model.SetActive("three", "one", "two");
        Assert.That(Fixtures.Error(_bench.Logits(), all), Is.LessThan(1e-5));
        Model.Unload();
        Assert.That(_bench.Logits(), Is.EqualTo(plain));
    }

    [Test]
    public void What_makes_no_sense_is_refused()
    {
        foreach (var (config, what) in new (BottleneckConfig, string)[]
        {
            (BottleneckConfig.SeqBn with { OutputAdapter = false }, "nothing to train"),
            (BottleneckConfig.SeqBn with { ReductionFactor = 0 }, "reduction_factor"),
            (BottleneckConfig.SeqBn with { Dropout = 1 }, "dropout"),
            (BottleneckConfig.SeqBn with { NonLinearity = "mish" }, "mish"),
            (BottleneckConfig.SeqBn with { LeaveOut = [7] }, "block 7"),
            (BottleneckConfig.SeqBn with { LeaveOut = [0, 1] }, "every block"),
        })
        {
            Assert.That(() => Model.AddAdapter(config), Throws.TypeOf<BadInputException>().With.Message.Contains(what));
        }
        Assert.That(() => PeftConfig.Create("bottleneck", new JsonObject { ["phm_layer"] = true }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("phm_layer"));
        Assert.That(() => PeftConfig.Create("bottleneck", new JsonObject { ["reduction_factor"] = new JsonObject { ["x"] = 2 } }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("reduction_factor.x"));
    }

    private static float[] Numbers(ulong seed, int count) =>
        [.. Enumerable.Range(0, count).Select(i => PeftCore.Kernels.Philox.Uniform(seed, 0, (ulong)i) - 0.5f)];
}

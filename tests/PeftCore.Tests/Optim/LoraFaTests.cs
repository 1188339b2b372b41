using PeftCore.Backends;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.AdaLora;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Optim;

/// <summary>LoRA-FA against plain loops in double precision, written from the equations of PEFT's LoraFAOptimizer, because the machine of
/// the tests has no torch.</summary>
public sealed class LoraFaTests
{
    private CpuBackend _backend;

    [SetUp]
    public void Open() => _backend = new CpuBackend(1);

    [TearDown]
    public void Close() => _backend.Dispose();

    // Ranks and scales that differ between layers, and a trained norm.
    private static LoraConfig Config => new()
    {
        Rank = 4, Alpha = 8, TargetModules = ModuleSelector.Parse("q_proj,down_proj"), UseRsLora = true,
        RankPattern = [new("q_proj", 3)], AlphaPattern = [new("down_proj", 5)], ModulesToSave = ["input_layernorm"],
    };

    [TestCase(0f, 0)]
    [TestCase(0.3f, 0.5)]
    public void Five_steps_are_those_of_plain_loops(float weightDecay, double maxGradNorm)
    {
        const double Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-6;
        var model = LoraRuns.Model(_backend, Config);
        var options = new TrainerOptions
        {
            Optimizer = OptimizerKind.LoraFa, LearningRate = 2e-3, WeightDecay = weightDecay, Epsilon = (float)Epsilon,
            Betas = ((float)Beta1, (float)Beta2), MaxGradNorm = maxGradNorm,
        };
        var (values, start) = (LoraRuns.Values(model), LoraRuns.Values(model));
        Dictionary<string, double[]> m = [], v = [];
        LoraRuns.Run(model, options, (rate, step, gradients) =>
        {
            Assert.That(gradients.Keys, Has.None.Contains("lora_A").And.Some.Contains("lora_B").And.Some.Contains("input_layernorm"));
            foreach (var (name, gradient) in gradients)
            {
                double[] p = values[name];
                double[] g = gradient;
                if (name.Contains("lora_B", StringComparison.Ordinal))
                {
                    (int rank, double alpha) = name.Contains("q_proj", StringComparison.Ordinal) ? (3, 8) : (4, 5);
                    double s = alpha / Math.Sqrt(rank);
                    double[] inverse = InverseGram(values[name.Replace("lora_B", "lora_A", StringComparison.Ordinal)], rank);
                    g = new double[gradient.Length];
                    for (int i = 0; i < g.Length; i++)
                    {
                        for (int k = 0; k < rank; k++)
                        {
                            g[i] += gradient[i / rank * rank + k] * inverse[k * rank + i % rank] / (s * s);
                        }
                    }
                }
                m.TryAdd(name, new double[p.Length]);
                v.TryAdd(name, new double[p.Length]);
                double size = rate * Math.Sqrt(1 - Math.Pow(Beta2, step)) / (1 - Math.Pow(Beta1, step));
                for (int i = 0; i < p.Length; i++)
                {
                    m[name][i] = Beta1 * m[name][i] + (1 - Beta1) * g[i];
                    v[name][i] = Beta2 * v[name][i] + (1 - Beta2) * g[i] * g[i];
                    p[i] -= size * m[name][i] / (Math.Sqrt(v[name][i]) + Epsilon);
                    p[i] -= rate * weightDecay * p[i];
                }
            }
        });
        LoraRuns.AssertNear(model, values, start, 1e-4);
        foreach (var (name, parameter) in model.Parameters.Where(p => p.Name.Contains("lora_A", StringComparison.Ordinal)))
        {
            Assert.That(Array.ConvertAll(parameter.Value.ToArray<float>(), x => (double)x), Is.EqualTo(start[name]), name);
        }
    }

    [Test]
    public void A_has_no_gradient_no_state_and_nothing_saved_for_it()
    {
        PeftModel Build(Backend backend) => LoraRuns.Model(backend, new LoraConfig
        {
            Rank = 4, TargetModules = ModuleSelector.Parse("q_proj,down_proj"),
        });
        MemoryPlan Plan(OptimizerKind kind) => MemoryPlan.Of(Build, 2, 16, new TrainerOptions { Optimizer = kind });
        var (whole, half) = (Plan(OptimizerKind.AdamW), Plan(OptimizerKind.LoraFa));
        var model = Build(_backend);
        long ofA = model.Parameters.Where(p => p.Name.Contains("lora_A", StringComparison.Ordinal)).Sum(p => p.Parameter.Shape.Count);
        long all = model.TrainableCount;
        using var step = new AdapterStep(model, new TrainerOptions { Optimizer = OptimizerKind.LoraFa });
        // The first layer's x is the output of a norm that nothing else saves or recomputes.
        string[] Saved(MemoryPlan plan) => [.. plan.Layers.SelectMany(layer => layer.Saved).Where(saved => saved.Op == "lora_linear")
            .Select(saved => saved.Name).Distinct()];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(half.Parameters, Is.EqualTo(whole.Parameters));
            Assert.That(half.TrainableParameters, Is.EqualTo(all - ofA));
            Assert.That(model.TrainableCount, Is.EqualTo(all - ofA));
            Assert.That(model.TrainableSummary, Does.StartWith($"trainable params: {all - ofA} "));
            Assert.That(Saved(whole), Is.EquivalentTo(["x", "xA"]));
            Assert.That(Saved(half), Is.EquivalentTo(["xA"]));
            Assert.That(half.SavedBytes, Is.LessThan(whole.SavedBytes));
            Assert.That(half.PeakBytes, Is.LessThan(whole.PeakBytes));
            Assert.That(_backend.Memory.Current(MemoryKind.Optimizer), Is.EqualTo(model.Parameters.Where(p => p.Parameter.RequiresGrad)
                .Sum(p => 2 * Arena.Round(4 * p.Parameter.Shape.Count) + Arena.Round(4 * 4 * 4))));
        }
        step.Dispose();
        Assert.That(_backend.Memory.Current(MemoryKind.Optimizer), Is.Zero);
    }

    [Test]
    public void The_frozen_A_stays_frozen_while_adapters_are_switched_until_it_is_made_trainable()
    {
        var model = LoraRuns.Model(_backend, new LoraConfig { Rank = 4 });
        long all = model.TrainableCount;
        using (new AdapterStep(model, new TrainerOptions { Optimizer = OptimizerKind.LoraFa }))
        {
            long trained = model.TrainableCount;
            model.SetActive();
            model.SetActive(PeftModel.DefaultAdapter);
            Assert.That(model.TrainableCount, Is.EqualTo(trained).And.LessThan(all));
        }
        model.SetRequiresGrad(PeftModel.DefaultAdapter, true);
        Assert.That(model.TrainableCount, Is.EqualTo(all));
    }

    [Test]
    public void A_degenerate_A_is_inverted_as_pinv_does()
    {
        // The second row is twice the first: the eigenvalue that is 0 but for δ is below the cut of torch.linalg.pinv.
        float[] inverse = GramInverse.Of([1, 2, 3, 2, 4, 6], 2, 1);
        // (v·vᵀ)⁺ = v·vᵀ/‖v‖⁴ with v = √14·(1, 2)
        Assert.That(inverse, Is.EqualTo(new[] { 1 / 350f, 2 / 350f, 2 / 350f, 4 / 350f }).Within(1e-8));
        Assert.That(GramInverse.Of([0, 0], 1, 0.5), Is.EqualTo(new[] { 0.5e8f }).Within(10));
    }

    [Test]
    public void What_cannot_work_is_refused_with_a_sentence()
    {
        using (Assert.EnterMultipleScope())
        {
            Refused(new LoraConfig { UseDora = true }, "has DoRA's magnitudes too");
            Refused(new LoraConfig { TargetModules = ModuleSelector.Parse("q_proj,embed_tokens") },
                "\"model.embed_tokens\" is an embedding, whose A starts as 0");
            Refused(new LoraConfig { LoraBias = true }, "has a bias (lora_bias)");
            Refused(new LoraConfig { Alpha = 0 }, "has lora_alpha 0");
            Refused(new Ia3Config(), "IA3 has no such factors");
            Refused(new AdaLoraConfig { TotalSteps = 10 }, "ADALORA has no such factors");
            Assert.That(() => new TrainerOptions { Optimizer = OptimizerKind.LoraFa }
                .NewOptimizer(new FullModel(Runs.Model("llama", _backend))),
                Throws.TypeOf<BadInputException>().With.Message.Contains("what trains here is no LoRA"));
        }

        void Refused(PeftConfig config, string sentence)
        {
            var model = LoraRuns.Model(_backend, config);
            long trainable = model.TrainableCount;
            Assert.That(() => new AdapterStep(model, new TrainerOptions { Optimizer = OptimizerKind.LoraFa }),
                Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
            Assert.That(model.TrainableCount, Is.EqualTo(trainable), "nothing is frozen");
        }
    }

    /// <summary>(A·Aᵀ + 1e-8·I)⁻¹ by Gauss–Jordan elimination; A·Aᵀ of random A is far from singular.</summary>
    private static double[] InverseGram(double[] a, int rank)
    {
        int columns = a.Length / rank;
        double[,] rows = new double[rank, 2 * rank];
        for (int i = 0; i < rank; i++)
        {
            for (int j = 0; j < rank; j++)
            {
                for (int k = 0; k < columns; k++)
                {
                    rows[i, j] += a[i * columns + k] * a[j * columns + k];
                }
            }
            rows[i, i] += 1e-8;
            rows[i, rank + i] = 1;
        }
        for (int pivot = 0; pivot < rank; pivot++)
        {
            double head = rows[pivot, pivot];
            for (int j = 0; j < 2 * rank; j++)
            {
                rows[pivot, j] /= head;
            }
            for (int i = 0; i < rank; i++)
            {
                double factor = rows[i, pivot];
                for (int j = 0; i != pivot && j < 2 * rank; j++)
                {
                    rows[i, j] -= factor * rows[pivot, j];
                }
            }
        }
        return [.. Enumerable.Range(0, rank * rank).Select(i => rows[i / rank, rank + i % rank])];
    }
}

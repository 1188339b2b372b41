using PeftCore.Backends;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Optim;

/// <summary>LoRA+ against plain loops in double precision, written from the equations of PEFT's create_loraplus_optimizer and of torch's
/// AdamW, which the machine of the tests does not have.</summary>
public sealed class LoraPlusTests
{
    private const string Layer = "base_model.model.model.layers.0.";
    private const string Embedding = "base_model.model.model.embed_tokens.";

    private CpuBackend _backend;

    [SetUp]
    public void Open() => _backend = new CpuBackend(1);

    [TearDown]
    public void Close() => _backend.Dispose();

    private static LoraConfig Config => new()
    {
        Rank = 4, Alpha = 8, TargetModules = ModuleSelector.Parse("q_proj,down_proj,embed_tokens"), UseDora = true,
        ModulesToSave = ["input_layernorm"],
    };

    [Test]
    public void Every_parameter_is_in_the_group_that_PEFT_puts_it_in()
    {
        var model = LoraRuns.Model(_backend, Config);
        var groups = Groups(model);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(groups[LoraPlusGroup.A], Is.EquivalentTo(InEachLayer("lora_A.default.weight")));
            Assert.That(groups[LoraPlusGroup.B], Is.EquivalentTo([.. InEachLayer("lora_B.default.weight"),
                .. InEachLayer("lora_magnitude_vector.default.weight"), Embedding + "lora_magnitude_vector.default.weight",
                .. Layers.Select(layer => layer + "input_layernorm.modules_to_save.default.weight")]));
            Assert.That(groups[LoraPlusGroup.Embedding],
                Is.EquivalentTo([Embedding + "lora_embedding_A.default", Embedding + "lora_embedding_B.default"]));
            Assert.That(groups[LoraPlusGroup.BWithoutDecay], Is.Empty);
        }
    }

    [Test]
    public void Biases_and_layer_norms_with_one_axis_learn_as_B_without_decay()
    {
        var model = new PeftModel(Runs.Model("gpt2", _backend));
        model.AddAdapter(new LoraConfig
        {
            Rank = 2, TargetModules = ModuleSelector.Parse("c_attn"), Bias = BiasMode.LoraOnly, ModulesToSave = ["ln_f"],
        });
        var groups = Groups(model);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(groups[LoraPlusGroup.BWithoutDecay], Has.All.EndsWith(".bias").Or.Contains("ln_f"));
            Assert.That(groups[LoraPlusGroup.BWithoutDecay], Has.Some.Contains("ln_f").And.Some.Contains("c_attn"));
            Assert.That(groups[LoraPlusGroup.A], Has.All.Contains("lora_A"));
            Assert.That(groups[LoraPlusGroup.B], Has.All.Contains("lora_B"));
        }
    }

    [TestCase(16, 1e-4, 0f, 0)]
    [TestCase(3, 5e-3, 0.3f, 0.5)]
    public void Five_steps_are_those_of_plain_loops(double ratio, double embeddingRate, float weightDecay, double maxGradNorm)
    {
        var model = LoraRuns.Model(_backend, Config);
        var options = new TrainerOptions
        {
            Optimizer = OptimizerKind.LoraPlus, LearningRate = 2e-3, LoraPlusRates = (ratio, embeddingRate), WeightDecay = weightDecay,
            Epsilon = 1e-6f, Betas = (0.8f, 0.95f), MaxGradNorm = maxGradNorm,
        };
        var groups = Groups(model);
        var (values, start) = (LoraRuns.Values(model), LoraRuns.Values(model));
        Dictionary<string, double[]> m = [], v = [];
        LoraRuns.Run(model, options, (rate, step, gradients) =>
        {
            foreach (var (name, g) in gradients)
            {
                var group = groups.Single(one => one.Value.Contains(name)).Key;
                double own = group switch
                {
                    LoraPlusGroup.A => rate,
                    LoraPlusGroup.Embedding => embeddingRate * rate / options.LearningRate,
                    _ => rate * ratio,
                };
                double decay = group == LoraPlusGroup.BWithoutDecay ? 0 : weightDecay;
                double[] p = values[name];
                m.TryAdd(name, new double[p.Length]);
                v.TryAdd(name, new double[p.Length]);
                for (int i = 0; i < p.Length; i++)
                {
                    p[i] -= own * decay * p[i];
                    m[name][i] = 0.8 * m[name][i] + 0.2 * g[i];
                    v[name][i] = 0.95 * v[name][i] + 0.05 * g[i] * g[i];
                    double first = m[name][i] / (1 - Math.Pow(0.8, step)), second = v[name][i] / (1 - Math.Pow(0.95, step));
                    p[i] -= own * first / (Math.Sqrt(second) + 1e-6);
                }
            }
        });
        LoraRuns.AssertNear(model, values, start, 1e-4);
    }

    [Test]
    public void A_ratio_of_1_is_AdamW_to_the_bit()
    {
        float[][] Trained(OptimizerKind kind)
        {
            var model = LoraRuns.Model(_backend, new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Parse("q_proj") });
            LoraRuns.Run(model, new TrainerOptions { Optimizer = kind, LoraPlusRates = (1, 1e-6), WeightDecay = 0.1f }, (_, _, _) => { });
            float[][] values = [.. model.Parameters.Select(p => p.Parameter.Value.ToArray<float>())];
            model.Unload();
            return values;
        }
        Assert.That(Trained(OptimizerKind.LoraPlus), Is.EqualTo(Trained(OptimizerKind.AdamW)));
    }

    [Test]
    public void What_cannot_work_is_refused_with_a_sentence()
    {
        var ia3 = LoraRuns.Model(_backend, new Ia3Config());
        var lora = LoraRuns.Model(_backend, Config);
        using (Assert.EnterMultipleScope())
        {
            Refused(ia3, 16, 1e-6, "nothing that trains here is named lora_B");
            Refused(lora, 0.5, 1e-6, "loraplus_lr_ratio is 0.5, expected a number of at least 1");
            Refused(lora, double.PositiveInfinity, 1e-6, "loraplus_lr_ratio is Infinity, expected a number of at least 1");
            Refused(lora, double.NaN, 1e-6, "loraplus_lr_ratio is NaN, expected a number of at least 1");
            Refused(lora, 16, 0, "loraplus_lr_embedding is 0, expected a number above 0");
            Refused(lora, 16, 1e-6, "learning_rate is 0, expected a number above 0", rate: 0);
        }

        static void Refused(PeftModel model, double ratio, double embedding, string sentence, double rate = 1e-3) => Assert.That(
            () => new AdapterStep(model, new TrainerOptions
            {
                Optimizer = OptimizerKind.LoraPlus, LoraPlusRates = (ratio, embedding), LearningRate = rate,
            }), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    private static IEnumerable<string> Layers => Enumerable.Range(0, 2).Select(i => Layer.Replace("0", $"{i}", StringComparison.Ordinal));

    private static IEnumerable<string> InEachLayer(string suffix) =>
        Layers.SelectMany(layer => new[] { $"{layer}self_attn.q_proj.{suffix}", $"{layer}mlp.down_proj.{suffix}" });

    private static Dictionary<LoraPlusGroup, string[]> Groups(PeftModel model)
    {
        var ofLayerNorms = WeightDecayFilter.OfLayerNorms(model.Base);
        var found = model.Parameters.GroupBy(p => LoraPlus.GroupOf(p.Name, p.Parameter, ofLayerNorms))
            .ToDictionary(group => group.Key, group => group.Select(p => p.Name).ToArray());
        return Enum.GetValues<LoraPlusGroup>().ToDictionary(group => group, group => found.GetValueOrDefault(group, []));
    }
}

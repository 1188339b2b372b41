using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.AdaLora;
using PeftCore.Peft.Boft;
using PeftCore.Peft.C3a;
using PeftCore.Peft.FourierFt;
using PeftCore.Peft.Hra;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.LoHa;
using PeftCore.Peft.LoKr;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Miss;
using PeftCore.Peft.Oft;
using PeftCore.Peft.RandLora;
using PeftCore.Peft.Selective;
using PeftCore.Peft.Shira;
using PeftCore.Peft.Vera;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>A replayed pass gives the same losses and weights as an eager one, bit for bit, over batches that differ.</summary>
public abstract class CapturedStepTests(string device)
{
    private static readonly DecoderSpec Spec = new()
    {
        ModelType = "llama", VocabularySize = 24, HiddenSize = 16, IntermediateSize = 16, Layers = 1, Heads = 2, KeyHeads = 1, HeadDim = 8,
        MaxLength = 16, Rope = new RopeSpec(10000, new DefaultRope(), 8),
    };

    [TestCase(DType.F32, 1, 0.0, false, 4)]
    [TestCase(DType.BF16, 1, 0.0, false, 4)]
    [TestCase(DType.F32, 2, 0.0, true, 8)]
    [TestCase(DType.F32, 1, 0.5, false, 4)]
    [TestCase(DType.BF16, 1, 0.5, true, 4)]
    [TestCase(DType.F32, 2, 0.5, true, 8)]
    public void A_replayed_pass_gives_the_same_bits(DType dtype, int accumulation, double dropout, bool checkpointing, int replayed)
    {
        var (losses, weights, count) = Train(dtype, accumulation, dropout, captureGraphs: true, checkpointing: checkpointing);
        var (expectedLosses, expectedWeights, none) = Train(dtype, accumulation, dropout, captureGraphs: false,
            checkpointing: checkpointing);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(losses, Is.EqualTo(expectedLosses));
            Assert.That(weights, Is.EqualTo(expectedWeights));
            Assert.That(count, Is.EqualTo(replayed));
            Assert.That(none, Is.Zero);
        }
    }

    [Test]
    public void What_moves_in_memory_is_recorded_anew()
    {
        var (losses, weights, count) = Train(DType.F32, 1, 0, captureGraphs: true, disturb: true);
        var (expectedLosses, expectedWeights, _) = Train(DType.F32, 1, 0, captureGraphs: false);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(losses, Is.EqualTo(expectedLosses));
            Assert.That(weights, Is.EqualTo(expectedWeights));
            Assert.That(count, Is.EqualTo(2)); // of steps 3 to 6: 3 as captured, 4 finds another tensor, 5 is captured, 6 as recorded
        }
    }

    public static IEnumerable<PeftConfig> Methods =>
    [
        new AdaLoraConfig { InitialRank = 6, TargetRank = 4, TotalSteps = 6, InitialSteps = 1, FinalSteps = 1, TargetModules = Some },
        new VeraConfig { Rank = 4, TargetModules = Some },
        new LoHaConfig { Rank = 2, TargetModules = Some },
        new LoKrConfig { Rank = 2, TargetModules = Some },
        new OftConfig { BlockSize = 8, TargetModules = Some },
        new OftConfig { BlockSize = 4, UseCayleyNeumann = false, TargetModules = Some },
        new BoftConfig { BlockSize = 4, ButterflyFactors = 2, TargetModules = Some },
        new HraConfig { Rank = 2, TargetModules = Some },
        new ShiraConfig { Rank = 2, TargetModules = Some },
        new FourierFtConfig { Frequencies = 8, TargetModules = Some },
        new RandLoraConfig { Rank = 4, Alpha = 8, TargetModules = Some },
        new C3aConfig { BlockSize = 8, TargetModules = Some },
        new MissConfig { Rank = 4, MiniRank = 4, Form = MissForm.Mini, TargetModules = Some },
        new MissConfig { Rank = 4, Form = MissForm.Bat, TargetModules = Some },
        new Ia3Config(),
        new LnTuningConfig(),
        new HeadConfig(),
    ];

    private static ModuleSelector Some => ModuleSelector.Of("q_proj", "down_proj");

    [TestCaseSource(nameof(Methods))]
    public void A_pass_of_any_method_may_be_replayed(PeftConfig method)
    {
        var (losses, weights, count) = Train(DType.F32, 1, 0, captureGraphs: true, steps: 4, method: method);
        var (expectedLosses, expectedWeights, _) = Train(DType.F32, 1, 0, captureGraphs: false, steps: 4, method: method);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(losses, Is.EqualTo(expectedLosses));
            Assert.That(weights, Is.EqualTo(expectedWeights));
            Assert.That(count, Is.EqualTo(2));
        }
    }

    private (List<double> Losses, List<float> Weights, int Replayed) Train(DType dtype, int accumulation, double dropout,
        bool captureGraphs, bool disturb = false, int steps = 6, PeftConfig? method = null, bool checkpointing = false)
    {
        var backend = SharedDevices.Open(device, dtype);
        using var scope = new TensorScope();
        float p = (float)dropout;
        var model = new Decoder(Spec with { EmbeddingDropout = p, AttentionDropout = p, ProbabilityDropout = p, MlpDropout = p })
        {
            GradientCheckpointing = checkpointing,
        };
        ModelLoader.Initialize(model, backend, DType.F32, 3);
        var peft = new PeftModel(model);
        peft.AddAdapter(method ?? new LoraConfig
        {
            Rank = 8, Alpha = 16, Dropout = dropout,
            TargetModules = ModuleSelector.Matching("all-linear")
        }, seed: 5);
        ITrainable trainable = captureGraphs ? new TrainableAdapter(peft) : new Unreplayed(new TrainableAdapter(peft));
        using var optimizer = new AdamW(trainable.Parameters);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        var losses = new List<double>();
        Tensor? other = null;
        for (int i = 0; i < steps; i++)
        {
            other ??= disturb && i == 3 ? backend.NewTensor([1 << 12]) : null;
            var batches = Enumerable.Range(0, accumulation).Select(j => MemoryPlan.FullBatch(trainable.Model, 1, 6, (ulong)(10 * i + j)))
                .ToList();
            var result = step.Run(batches, 1e-2, i, (ulong)(i * accumulation));
            losses.AddRange([result.Loss, result.GradientNorm]);
        }
        var weights = peft.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>()).ToList();
        int replayed = ((CapturedStep)step).GraphLaunches;
        step.Dispose();
        peft.Unload();
        model.Dispose();
        return (losses, weights, replayed);
    }

    /// <summary>The same without captured graphs.</summary>
    private sealed class Unreplayed(ITrainable inner) : ITrainable
    {
        public TransformerModel Model => inner.Model;

        public IReadOnlyList<(string Name, Parameter Parameter)> Parameters => inner.Parameters;

        public void BeforeStep(long step, int batches) => inner.BeforeStep(step, batches);

        public void AfterStep(long step) => inner.AfterStep(step);

        public void Save(string directory) => inner.Save(directory);

        public void Load(string directory) => inner.Load(directory);
    }
}

[TestFixture]
public sealed class IlgpuCpuCapturedStepTests() : CapturedStepTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaCapturedStepTests() : CapturedStepTests("cuda");

using PeftCore.Backends;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>Captured steps of encoder-decoders: the bits of eager ones, in the planned memory.</summary>
public sealed class CapturedPairsTests
{
    private const int Steps = 6;

    [Test]
    public void A_captured_step_gives_the_same_bits_as_an_eager_one([Values("t5", "bart", "pegasus")] string family,
        [Values(0, 0.3f)] float dropout, [Values] bool checkpointing)
    {
        var (values, launches) = Train(family, dropout, checkpointing, capture: true);
        var (expected, none) = Train(family, dropout, checkpointing, capture: false);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(expected));
            Assert.That(launches, Is.EqualTo(Steps - 2));
            Assert.That(none, Is.Zero);
        }
    }

    [Test]
    public void The_peak_of_a_step_is_the_planned_one([Values("t5", "mbart")] string family, [Values] bool capture)
    {
        var plan = MemoryPlan.Of(backend => new TrainableAdapter(Build(family, backend, 0)), 2, 8, targetLength: 5);
        using var cpu = new CpuBackend(1, captureGraphs: capture);
        using var scope = new TensorScope();
        ITrainable trainable = new TrainableAdapter(Build(family, cpu, 0));
        using var optimizer = new AdamW(trainable.Parameters);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        cpu.Memory.ResetPeak();
        for (int i = 0; i < 4; i++)
        {
            step.Run([TinyPairs.Batch(i, rows: 2, sameLength: true)], 1e-2, i, (ulong)i);
        }
        Assert.That(cpu.Memory.PeakBytes, Is.EqualTo(plan.PeakBytes));
    }

    private static (List<double> Values, int Launches) Train(string family, float dropout, bool checkpointing, bool capture)
    {
        using var cpu = new CpuBackend(2, captureGraphs: capture);
        using var scope = new TensorScope();
        var model = Build(family, cpu, dropout);
        model.Base.GradientCheckpointing = checkpointing;
        ITrainable trainable = new TrainableAdapter(model);
        using var optimizer = new AdamW(trainable.Parameters);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        var values = new List<double>();
        for (int i = 0; i < Steps; i++)
        {
            var result = step.Run([TinyPairs.Batch(i)], 1e-2, i, (ulong)i);
            values.AddRange([result.Loss, result.GradientNorm]);
        }
        values.AddRange(model.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>()).Select(value => (double)value));
        return (values, (step as CapturedStep)?.GraphLaunches ?? 0);
    }

    private static PeftModel Build(string family, Backend backend, float dropout)
    {
        var model = new PeftModel(TinyPairs.Of(family, backend, dropout));
        model.AddAdapter(new LoraConfig { Rank = 4, Alpha = 8, TargetModules = ModuleSelector.Parse(ModuleSelector.AllLinear) }, seed: 5);
        return model;
    }
}

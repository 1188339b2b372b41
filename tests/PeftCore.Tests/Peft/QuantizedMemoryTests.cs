using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Models;
using PeftCore.Training;

namespace PeftCore.Tests.Peft;

/// <summary>The memory of quantised weights and of training steps with them.</summary>
public sealed class QuantizedMemoryTests
{
    private static readonly QuantizedFormat[] Formats =
    [
        new(QuantizedKind.NF4), new(QuantizedKind.NF4, DoubleQuantized: true), new(QuantizedKind.FP4),
        new(QuantizedKind.Int8, BlockSize: 0), new(QuantizedKind.Int8, BlockSize: 0, Threshold: 6),
    ];

    private static readonly Shape Matrix = [4096, 4096];

    /// <summary>The figures of docs/quantization.md.</summary>
    [TestCase("NF4", false, 0.1406)]
    [TestCase("NF4", true, 0.1290)]
    [TestCase("FP4", false, 0.1406)]
    [TestCase("Int8", false, 0.2502)]
    public void A_weight_takes_a_known_share_of_its_bytes_in_f32(string codes, bool doubled, double share)
    {
        var kind = Enum.Parse<QuantizedKind>(codes);
        var format = new QuantizedFormat(kind, kind == QuantizedKind.Int8 ? 0 : 64, doubled);
        Assert.That(format.PartsOf(Matrix).Bytes / (4.0 * Matrix.Count), Is.EqualTo(share).Within(1e-4));
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        backend.NewTensor(Matrix, format);
        Assert.That(backend.Memory.CurrentBytes, Is.EqualTo(Arena.Round(format.PartsOf(Matrix).Bytes)));
    }

    [TestCaseSource(nameof(Formats))]
    public void A_step_takes_the_bytes_that_were_planned_and_no_copy_of_a_weight(object given)
    {
        var format = (QuantizedFormat)given;
        foreach (var family in Family.All)
        {
            long plain = Measured(family, null), quantized = Measured(family, format);
            var plan = MemoryPlan.Of(backend => Trainable(family.Plan((MetaBackend)backend), format), 3, 24);
            Assert.That(quantized, Is.EqualTo(plan.PeakBytes).Within(1).Percent, family.Name);
            Assert.That(quantized, Is.LessThan(plain), family.Name);
        }
    }

    private static long Measured(Family family, QuantizedFormat? format)
    {
        using var cpu = new CpuBackend(1);
        var trainable = Trainable(family.Load(cpu), format);
        using var optimizer = new AdamW(trainable.Parameters);
        cpu.Memory.ResetPeak();
        CapturedStep.Wrap(new TrainingStep(trainable, optimizer)).Run([MemoryPlan.FullBatch(trainable.Model, 3, 24)], 1e-2);
        trainable.Model.Dispose();
        return cpu.Memory.PeakBytes;
    }

    private static ITrainable Trainable(PeftCore.Models.TransformerModel model, QuantizedFormat? format)
    {
        if (format is not null)
        {
            QuantizedFixture.Quantize(model, format);
        }
        var adapted = new PeftModel(model);
        adapted.AddAdapter(new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Matching("all-linear") });
        return new TrainableAdapter(adapted);
    }
}

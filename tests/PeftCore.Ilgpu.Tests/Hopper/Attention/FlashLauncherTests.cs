using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

public sealed class FlashLauncherTests
{
    private static readonly CpuBackend Cpu = new(poison: true);

    [Test]
    public void Encoders_decoders_and_cross_attention_take_the_fast_kernels()
    {
        var t5 = new AttentionShape(2, 12, 20, 4, 4, 64, 1, 0);
        Tensor bias = Cpu.NewTensor([1, 4, 12, 20]), ranges = Cpu.NewTensor([2, 12, 2], DType.I32), heads = Cpu.NewTensor([4]);

        Assert.That(Takes(new AttentionCall(t5, ranges)), Is.True);
        Assert.That(Takes(new AttentionCall(t5, ranges, Bias: bias)), Is.True);
        Assert.That(Takes(new AttentionCall(t5, ranges, Slopes: heads, Bias: bias, Sinks: heads, Dropout: new(0.1f, 1, 2))), Is.True);
        Assert.That(Takes(new AttentionCall(t5 with { SoftCap = 50 }, ranges, Sinks: heads)), Is.True);
        Assert.That(Takes(new AttentionCall(t5 with { HeadDim = 192, ValueDim = 128 })), Is.True, "multi-head latent attention");
    }

    [Test]
    public void A_soft_cap_with_other_terms_and_odd_heads_take_the_portable_kernels()
    {
        var shape = new AttentionShape(2, 12, 20, 4, 4, 64, 1, 30);
        Tensor bias = Cpu.NewTensor([4, 12, 20]), slopes = Cpu.NewTensor([4]);

        Assert.That(Takes(new AttentionCall(shape, Bias: bias)), Is.False);
        Assert.That(Takes(new AttentionCall(shape, Slopes: slopes)), Is.False);
        Assert.That(Takes(new AttentionCall(shape, Dropout: new(0.1f, 1, 2))), Is.False);
        Assert.That(Takes(new AttentionCall(shape with { SoftCap = 0, HeadDim = 60 })), Is.False);
        Assert.That(Takes(new AttentionCall(shape with { SoftCap = 0, ValueDim = 264 })), Is.False);
        Assert.That(Takes(new AttentionCall(shape with { SoftCap = 0 }), DType.F32), Is.False);
    }

    private static bool Takes(in AttentionCall call, DType dtype = DType.BF16)
    {
        var s = call.Shape;
        using Tensor q = Cpu.NewTensor([s.Batch, s.QueryLength, s.Heads * s.HeadDim], dtype),
            v = Cpu.NewTensor([s.Batch, s.KeyLength, s.KeyHeads * s.ValueDim], dtype);
        return FlashLauncher.CanTake(call, new Heads(q, s.Heads, s.HeadDim), new Heads(v, s.KeyHeads, s.ValueDim));
    }
}

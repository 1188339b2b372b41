using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Autograd;

/// <summary>Backward frees memory while it runs: its peak does not grow with the depth of the model.</summary>
public sealed class ReleaseTests
{
    private const int Links = 6;
    private const long Block = 1 << 14;

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

    [Test]
    public void A_saved_tensor_goes_as_soon_as_its_op_has_run()
    {
        var row = _backend.From(Enumerable.Repeat(0.5f, 64).ToArray(), [64]).TrackGradient();
        // x and what the links saved, the output, the gradient to start from; then one buffer for the first gradient, which the following
        // ones reuse.
        Assert.That(PeakOfBackward(x => x.MultiplyRow(row)), Is.EqualTo((Links + 2 + 1) * Block + 2 * Arena.Granularity));
    }

    [Test]
    public void An_activations_gradient_takes_the_memory_of_its_saved_input() =>
        Assert.That(PeakOfBackward(x => x.Activate<Gelu>()), Is.EqualTo((Links + 2) * Block));

    [Test]
    public void A_frozen_linear_layer_keeps_nothing()
    {
        var weight = _backend.Zeros([64, 64], DType.BF16);
        long fixedBytes = Arena.Round(weight.ByteCount);
        // x, the output, the gradient to start from, and the gradients before and after one link.
        Assert.That(PeakOfBackward(x => x.Linear(weight)), Is.EqualTo(5 * Block + fixedBytes));
    }

    /// <summary>Peak bytes while backward runs through a chain of links from a leaf.</summary>
    private long PeakOfBackward(Func<Tensor, Tensor> link)
    {
        var x = _backend.Zeros([64, 64]).TrackGradient();
        using var tape = new Tape();
        var y = x;
        for (int i = 0; i < Links; i++)
        {
            using var scope = new TensorScope();
            var before = y;
            y = scope.Return(link(before));
            if (i > 0)
            {
                before.Dispose();
            }
        }
        var gradient = _backend.Zeros([64, 64]);
        _backend.Memory.ResetPeak();
        tape.Backward(y, gradient);
        return _backend.Memory.PeakBytes;
    }
}

using ILGPU;
using ILGPU.Runtime;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>y ← y + scale · x, element by element: how gradients accumulate and adapters merge.</summary>
internal sealed class AddScaled
{
    // Loading compiles the kernel; the typed delegate is kept because a launch through it allocates nothing.
    private readonly Action<Index1D, ArrayView<float>, ArrayView<float>, float> _launch;

    public AddScaled(Accelerator accelerator) =>
        _launch = accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<float>, ArrayView<float>, float>(Kernel);

    /// <summary>Runs on the accelerator's default stream and returns before it has finished.</summary>
    public void Launch(ArrayView<float> x, ArrayView<float> y, float scale)
    {
        if (x.Length != y.Length)
        {
            throw new ArgumentException($"AddScaled adds views of one length, but x has {x.Length} elements and y has {y.Length}.");
        }

        if (y.Length > 0)
        {
            _launch(y.IntLength, x, y, scale);
        }
    }

    private static void Kernel(Index1D i, ArrayView<float> x, ArrayView<float> y, float scale) => y[i] += scale * x[i];
}

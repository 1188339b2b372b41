using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>The random stream of a dropout mask. A graph repeats its launches with the arguments of the captured pass, so kernels read
/// from device memory how many passes later this one is, and add that to the stream.</summary>
internal static class DropoutStream
{
    /// <summary>The stream of this pass.</summary>
    /// <param name="stream">The stream of the captured pass.</param>
    /// <param name="passes">Passes since the captured one, one number; empty if the launch is not captured.</param>
    public static ulong At(ulong stream, ArrayView<ulong> passes) => passes.Length > 0 ? stream + passes[0] : stream;

    /// <summary>As the other overload, from the low and the high half of the number: views of attention's arguments on Hopper are of
    /// integers.</summary>
    public static ulong At(ulong stream, ArrayView<int> halves) =>
        halves.Length > 0 ? stream + ((uint)halves[0] | ((ulong)(uint)halves[1] << 32)) : stream;
}

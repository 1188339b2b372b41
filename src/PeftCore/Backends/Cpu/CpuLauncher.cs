using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Base of the classes that launch the processor's kernels, one class per group of ops. A method resolves tensors to addresses,
/// names the kernel and its cost, and launches it on the stream.</summary>
internal abstract class CpuLauncher(CpuStream stream, PackedWeights? packed)
{
    protected CpuStream Stream => stream;

    protected PackedWeights? Packed => packed;

    /// <inheritdoc cref="CpuStream.Launch"/>
    protected void Launch<TArgs>(in LaunchCost cost, in TArgs args, Action<TArgs, CpuStream> kernel) => stream.Launch(cost, args, kernel);

    /// <summary>The view of a tensor that a kernel reads.</summary>
    protected static CpuTensorView In(Tensor tensor) => new(tensor);

    /// <summary>The view of a tensor that a kernel reads, or null.</summary>
    protected static CpuTensorView? InOrNull(Tensor? tensor) => tensor is null ? null : new CpuTensorView(tensor);

    /// <summary>The view of a tensor that a kernel writes. Packed copies of it become stale.</summary>
    protected CpuTensorView Out(Tensor tensor)
    {
        packed?.MarkStale(tensor);
        return new CpuTensorView(tensor);
    }

    /// <summary>The view of a tensor that a kernel writes, or null.</summary>
    protected CpuTensorView? OutOrNull(Tensor? tensor) => tensor is null ? null : Out(tensor);
}

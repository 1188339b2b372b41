using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>How a tensor-core kernel is compiled and launched.</summary>
/// <param name="Threads">Threads of a group.</param>
/// <param name="GroupsPerProcessor">Groups that must fit a processor at once; bounds the registers.</param>
/// <param name="SharedBytes">Dynamic shared memory of a group.</param>
internal readonly record struct LaunchShape(int Threads, int GroupsPerProcessor, int SharedBytes)
{
    /// <summary>Attention with heads of this size.</summary>
    public static LaunchShape Attention(int dim) => new(FlashPtx.Threads, 2, FlashPtx.SharedBytes(dim));
}

using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu;

/// <summary>How a tensor-core kernel is compiled and launched.</summary>
/// <param name="Threads">Threads of a thread block.</param>
/// <param name="BlocksPerProcessor">Thread blocks that must fit a processor at once; bounds the registers.</param>
/// <param name="SharedBytes">Dynamic shared memory of a thread block.</param>
internal readonly record struct LaunchShape(int Threads, int BlocksPerProcessor, int SharedBytes)
{
    /// <summary>Attention with these tiles.</summary>
    public static LaunchShape Attention(in FlashGeometry tiles) => new(tiles.Threads, 1, tiles.SharedBytes);
}

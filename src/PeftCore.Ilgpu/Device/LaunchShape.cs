using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu;

/// <summary>The thread block of a tensor-core kernel, for which it is compiled and launched.</summary>
/// <param name="Threads">Threads of a thread block.</param>
/// <param name="BlocksPerProcessor">Thread blocks that must fit a processor at once, which limits the registers.</param>
/// <param name="SharedBytes">Dynamic shared memory of a thread block.</param>
internal readonly record struct LaunchShape(int Threads, int BlocksPerProcessor, int SharedBytes)
{
    /// <summary>The thread block of an attention kernel with these tiles.</summary>
    public static LaunchShape Attention(in FlashGeometry tiles) => new(tiles.Threads, 1, tiles.SharedBytes);
}

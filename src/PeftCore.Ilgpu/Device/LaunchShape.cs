using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu;

/// <summary>The launch configuration of a tensor-core kernel, with which it is compiled and launched.</summary>
/// <param name="Threads">Threads of a thread block.</param>
/// <param name="BlocksPerProcessor">Thread blocks resident on a multiprocessor, which limits the registers.</param>
/// <param name="SharedBytes">Dynamic shared memory of a thread block.</param>
internal readonly record struct LaunchShape(int Threads, int BlocksPerProcessor, int SharedBytes)
{
    /// <summary>The launch configuration of an attention kernel with these tiles.</summary>
    public static LaunchShape Attention(in FlashGeometry tiles) => new(tiles.Threads, 1, tiles.SharedBytes);
}

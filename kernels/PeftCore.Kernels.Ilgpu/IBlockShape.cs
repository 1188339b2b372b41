namespace PeftCore.Kernels.Ilgpu;

/// <summary>The shape of a thread block, a type argument of tiled kernels: 16 × 16 threads on a GPU; 4 × 4 on ILGPU's CPU accelerator,
/// which runs each as an OS thread. A thread computes 4 × 4 elements of its block's tile.</summary>
internal interface IBlockShape
{
    /// <summary>Threads along one side of the square.</summary>
    static abstract int Side { get; }
}

/// <summary>256 threads, tiles of 64 × 64.</summary>
internal readonly struct Block16x16 : IBlockShape
{
    public static int Side => 16;
}

/// <summary>16 threads, tiles of 16 × 16.</summary>
internal readonly struct Block4x4 : IBlockShape
{
    public static int Side => 4;
}

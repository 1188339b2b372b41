namespace PeftCore.Kernels.Ilgpu;

/// <summary>How many threads stand along each side of a group. Tiled kernels are generic over it: a GPU takes 16 × 16 threads, ILGPU's
/// CPU accelerator, which runs one OS thread for each, 4 × 4. A thread computes 4 × 4 elements of its group's tile.</summary>
internal interface IThreadSide
{
    /// <summary>Threads along one side.</summary>
    static abstract int Side { get; }
}

/// <summary>256 threads, tiles of 64 × 64.</summary>
internal readonly struct WideGroup : IThreadSide
{
    public static int Side => 16;
}

/// <summary>16 threads, tiles of 16 × 16.</summary>
internal readonly struct SmallGroup : IThreadSide
{
    public static int Side => 4;
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>A thread's index in the launch, and reductions over the threads of a block.</summary>
internal static class Threads
{
    /// <summary>The maximum number of threads of a thread block.</summary>
    public const int Most = 256;

    /// <summary>The index of this thread in the launch.</summary>
    public static long Linear() => ((long)Grid.IdxX * Group.DimX) + Group.IdxX;

    /// <summary>Σ over the thread block, the same for every thread and in a fixed order: by shuffles within warps, then over the warps. All
    /// threads must call it, and the block must be whole warps.</summary>
    public static float Sum(ArrayView<float> shared, float value)
    {
        value = WarpSum(value);
        int warps = Group.DimX / Warp.WarpSize;
        Group.Barrier(); // The previous use may still read the shared memory.
        if (Group.IdxX % Warp.WarpSize == 0)
        {
            shared[Group.IdxX / Warp.WarpSize] = value;
        }

        Group.Barrier();
        float sum = 0;
        for (int warp = 0; warp < warps; warp++)
        {
            sum += shared[warp];
        }

        return sum;
    }

    /// <summary>Σ over the warp, the same for every lane and in a fixed order. All lanes must call it.</summary>
    public static float WarpSum(float value)
    {
        for (int distance = Warp.WarpSize / 2; distance > 0; distance /= 2)
        {
            value += Warp.ShuffleXor(value, distance);
        }

        return value;
    }

    /// <summary>The largest value in the thread block. All threads must call it, and the block must be whole warps.</summary>
    public static float Max(ArrayView<float> shared, float value)
    {
        for (int distance = Warp.WarpSize / 2; distance > 0; distance /= 2)
        {
            float other = Warp.ShuffleXor(value, distance);
            value = other > value ? other : value;
        }

        int warps = Group.DimX / Warp.WarpSize;
        Group.Barrier();
        if (Group.IdxX % Warp.WarpSize == 0)
        {
            shared[Group.IdxX / Warp.WarpSize] = value;
        }

        Group.Barrier();
        float max = shared[0];
        for (int warp = 1; warp < warps; warp++)
        {
            max = shared[warp] > max ? shared[warp] : max;
        }

        return max;
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>Where a thread stands, and sums over the threads of a group.</summary>
internal static class Threads
{
    /// <summary>The most threads a group has.</summary>
    public const int Most = 256;

    /// <summary>This thread's number in the whole launch.</summary>
    public static long Linear() => ((long)Grid.IdxX * Group.DimX) + Group.IdxX;

    /// <summary>Σ over the group, the same for every thread and in a fixed order. All threads must call it.</summary>
    public static float Sum(ArrayView<float> shared, float value)
    {
        int t = Group.IdxX;
        shared[t] = value;
        Group.Barrier();
        for (int half = Group.DimX / 2; half > 0; half /= 2)
        {
            if (t < half)
            {
                shared[t] += shared[t + half];
            }

            Group.Barrier();
        }

        float sum = shared[0];
        Group.Barrier(); // The next use of the shared memory must not overtake this read.
        return sum;
    }

    /// <summary>The largest value in the group. All threads must call it.</summary>
    public static float Max(ArrayView<float> shared, float value)
    {
        int t = Group.IdxX;
        shared[t] = value;
        Group.Barrier();
        for (int half = Group.DimX / 2; half > 0; half /= 2)
        {
            if (t < half)
            {
                float other = shared[t + half];
                shared[t] = other > shared[t] ? other : shared[t];
            }

            Group.Barrier();
        }

        float max = shared[0];
        Group.Barrier();
        return max;
    }
}

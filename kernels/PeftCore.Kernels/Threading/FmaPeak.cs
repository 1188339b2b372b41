using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PeftCore.Kernels;

/// <summary>Measures the peak rate of multiply-adds: independent chains in registers, without memory traffic.</summary>
internal static class FmaPeak
{
    private const int Chains = 10, Steps = 400_000;

    /// <summary>Floating-point operations of one <see cref="Run"/>.</summary>
    public static double Operations(int threads) => 2.0 * Chains * Steps * threads * (Vector512.IsHardwareAccelerated ? 16 : 8);

    /// <summary>Operations per second, the best of five runs.</summary>
    public static double Measure(WorkerPool pool)
    {
        double best = double.PositiveInfinity;
        for (int i = 0; i < 5; i++)
        {
            long start = Stopwatch.GetTimestamp();
            Run(pool);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return Operations(pool.Threads) / best;
    }

    /// <summary>Runs the chains once on each thread.</summary>
    public static void Run(WorkerPool pool)
    {
        Body body = default;
        pool.For(pool.Threads, ref body);
    }

    private struct Body : IParallelBody
    {
        private static float _keep;

        public readonly void Run(int item) => Volatile.Write(ref _keep, Vector512.IsHardwareAccelerated ? Run512() : Run256());

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Run512()
        {
            Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(1e-3f);
            Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
            for (int step = 0; step < Steps; step++)
            {
                a = Vector512.FusedMultiplyAdd(a, x, y);
                b = Vector512.FusedMultiplyAdd(b, x, y);
                c = Vector512.FusedMultiplyAdd(c, x, y);
                d = Vector512.FusedMultiplyAdd(d, x, y);
                e = Vector512.FusedMultiplyAdd(e, x, y);
                f = Vector512.FusedMultiplyAdd(f, x, y);
                g = Vector512.FusedMultiplyAdd(g, x, y);
                h = Vector512.FusedMultiplyAdd(h, x, y);
                i = Vector512.FusedMultiplyAdd(i, x, y);
                j = Vector512.FusedMultiplyAdd(j, x, y);
            }
            return Vector512.Sum(a + b + c + d + e + f + g + h + i + j);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Run256()
        {
            Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(1e-3f);
            Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
            for (int step = 0; step < Steps; step++)
            {
                a = Vector256.FusedMultiplyAdd(a, x, y);
                b = Vector256.FusedMultiplyAdd(b, x, y);
                c = Vector256.FusedMultiplyAdd(c, x, y);
                d = Vector256.FusedMultiplyAdd(d, x, y);
                e = Vector256.FusedMultiplyAdd(e, x, y);
                f = Vector256.FusedMultiplyAdd(f, x, y);
                g = Vector256.FusedMultiplyAdd(g, x, y);
                h = Vector256.FusedMultiplyAdd(h, x, y);
                i = Vector256.FusedMultiplyAdd(i, x, y);
                j = Vector256.FusedMultiplyAdd(j, x, y);
            }
            return Vector256.Sum(a + b + c + d + e + f + g + h + i + j);
        }
    }
}

using System.Diagnostics;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>The clock and the operands of benchmarks of single operations.</summary>
internal static class Timed
{
    private const int Repeats = 20, Warm = 3;
    private const double LongEnough = 2e-3; // seconds of work per synchronization

    /// <summary>The times of single runs in milliseconds, sorted, after warm-up runs.</summary>
    public static double[] Milliseconds(IBackend backend, Action run)
    {
        int runs = 1;
        var times = new List<double>();
        for (int i = 0; i < Repeats + Warm; i++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int k = 0; k < runs; k++)
            {
                run();
            }
            backend.Synchronize();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / runs;
            times.Add(1e3 * seconds);
            runs = i == Warm - 1 ? (int)Math.Clamp(LongEnough / seconds, 1, 100) : runs;
        }
        return [.. times.Skip(Warm).Order()];
    }

    /// <summary>A tensor of normally distributed numbers; zeros would run faster than real data.</summary>
    public static Tensor Normal(IBackend backend, Shape shape, DType dtype, ulong stream)
    {
        var wide = backend.NewTensor(shape);
        backend.FillNormal(wide, 0, 1, 1, stream);
        if (dtype == DType.F32)
        {
            return wide;
        }
        var narrow = backend.NewTensor(shape, dtype);
        backend.Cast(wide, narrow);
        wide.Dispose();
        return narrow;
    }
}

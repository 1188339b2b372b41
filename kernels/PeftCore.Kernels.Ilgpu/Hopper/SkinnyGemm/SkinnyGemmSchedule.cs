using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

/// <summary>How a pass over tall matrices is shared out over thread blocks: strips of columns, and runs of rows.</summary>
/// <param name="Shape">What its kernel is specialised for.</param>
/// <param name="Strips">Strips of all matrices.</param>
/// <param name="Run">Rows of a run: a multiple of what a thread block takes at once.</param>
/// <param name="Runs">Runs of rows.</param>
internal readonly record struct SkinnyGemmSchedule(SkinnyGemmShape Shape, int Strips, int Run, int Runs)
{
    // Bytes a nanosecond on an H100: what all processors read of their matrices together, and what goes to parts and back, mostly through
    // the cache.
    private const double MemoryBytes = 3000, PartsBytes = 3000;

    public int Blocks => Strips * Runs;

    /// <summary>Threads that add up sums over rows.</summary>
    public int AcrossCount => Strips * Shape.WarpColumns * Shape.Tiles * SkinnyGemmShape.Columns * SkinnyGemmShape.TileR / 4;

    /// <summary>Numbers that the thread blocks leave: sums over columns, then sums over rows.</summary>
    public long LowFloats(int m) => Shape.Right ? (long)Strips * m * Shape.Tiles * SkinnyGemmShape.TileR : 0;

    public long AcrossFloats => Shape.Left ? 4L * Runs * AcrossCount : 0;

    public int StripsOf(int width) => SplitKSchedule.Count(width, Shape.WarpColumns * SkinnyGemmShape.Columns);

    /// <summary>The schedule that should take the least time on a card with so many processors.</summary>
    public static SkinnyGemmSchedule For(int m, ReadOnlySpan<int> widths, int tiles, bool right, bool left, int processors)
    {
        SkinnyGemmSchedule best = default;
        double least = double.MaxValue;
        for (int warpColumns = 1; warpColumns <= SkinnyGemmShape.Warps; warpColumns *= 2)
        {
            var schedule = For(m, widths, new SkinnyGemmShape(tiles, right, left, warpColumns), processors);
            double read = (double)SplitKSchedule.Count(schedule.Blocks, processors) * processors * schedule.Run * warpColumns *
                SkinnyGemmShape.Columns * 2;
            double parts = 2.0 * sizeof(float) * (schedule.LowFloats(m) + schedule.AcrossFloats),
                time = (read / MemoryBytes) + (parts / PartsBytes);
            if (time < least)
            {
                (best, least) = (schedule, time);
            }
        }
        return best;
    }

    private static SkinnyGemmSchedule For(int m, ReadOnlySpan<int> widths, SkinnyGemmShape shape, int processors)
    {
        var schedule = new SkinnyGemmSchedule(shape, 0, 0, 0);
        int strips = 0, height = shape.WarpRows * SkinnyGemmShape.Rows;
        foreach (int width in widths)
        {
            strips += schedule.StripsOf(width);
        }
        int runs = Math.Clamp(processors / strips, 1, SplitKSchedule.Count(m, height));
        int run = SplitKSchedule.Count(SplitKSchedule.Count(m, runs), height) * height;
        return schedule with { Strips = strips, Run = run, Runs = SplitKSchedule.Count(m, run) };
    }
}

using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

/// <summary>The division of tall matrices among thread blocks: strips of columns, and runs of rows.</summary>
/// <param name="Shape">The constants of its kernel.</param>
/// <param name="Strips">Strips of all matrices.</param>
/// <param name="Run">Rows of a run: a multiple of the rows of a step.</param>
/// <param name="Runs">Runs of rows.</param>
internal readonly record struct SkinnyGemmSchedule(SkinnyGemmShape Shape, int Strips, int Run, int Runs)
{
    // Bytes a nanosecond on an H100: reads of the matrices by all processors together; partial sums written and read, mostly in the L2
    // cache.
    private const double MemoryBytes = 3000, PartialsBytes = 3000;

    public int Blocks => Strips * Runs;

    /// <summary>Threads that add up the partial sums of left products.</summary>
    public int LeftCount => Strips * Shape.WarpColumns * Shape.Tiles * SkinnyGemmShape.Columns * SkinnyGemmShape.TileR / 4;

    /// <summary>Floats of the partial sums of right products.</summary>
    public long RightFloats(int m) => Shape.Right ? (long)Strips * m * Shape.Tiles * SkinnyGemmShape.TileR : 0;

    /// <summary>Floats of the partial sums of left products.</summary>
    public long LeftFloats => Shape.Left ? 4L * Runs * LeftCount : 0;

    public int StripsOf(int width) => SplitKSchedule.Count(width, Shape.WarpColumns * SkinnyGemmShape.Columns);

    /// <summary>The schedule of least estimated time on a card with so many processors.</summary>
    public static SkinnyGemmSchedule For(int m, ReadOnlySpan<int> widths, int tiles, bool right, bool left, int processors)
    {
        SkinnyGemmSchedule best = default;
        double least = double.MaxValue;
        for (int warpColumns = 1; warpColumns <= SkinnyGemmShape.Warps; warpColumns *= 2)
        {
            var schedule = For(m, widths, new SkinnyGemmShape(tiles, right, left, warpColumns), processors);
            double read = (double)SplitKSchedule.Count(schedule.Blocks, processors) * processors * schedule.Run * warpColumns *
                SkinnyGemmShape.Columns * 2;
            double partials = 2.0 * sizeof(float) * (schedule.RightFloats(m) + schedule.LeftFloats),
                time = (read / MemoryBytes) + (partials / PartialsBytes);
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

using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>Estimated cycles of a schedule, fitted to times on an H100: precise enough to choose between schedules.</summary>
internal static class GemmCostModel
{
    // Bytes a cycle: the most that one thread block can read; that all together read from the L2 cache; that they read where the operands
    // do not fit it; and from memory alone. Then the bytes of the L2 cache.
    private const double ThreadBlockBytes = 82, CacheBytes = 6340, BeyondCacheBytes = 5280, MemoryBytes = 1750, Cache = 40e6;
    private const double StoreBytes = 32;   // bytes a cycle that a thread block writes
    private const double TileCycles = 900;  // filling and draining the pipeline of a tile

    // Stream-K: cycles to add up a partial sum through memory, and a factor because clusters at different stages of K share no operands in
    // the cache.
    private const double PartialCycles = 3000, ApartFactor = 1.15;

    // Split-K: cycles to add up the slices of a cluster, bytes a cycle of that, and the wait of a cluster of four for four free processors
    // of one GPC.
    private const double ReduceCycles = 1000, ReduceBytes = 10, FourCycles = 4000;

    public static double Of(in GemmSchedule schedule, int steps)
    {
        var shape = schedule.Shape;
        int tiles = schedule.TilesM * schedule.TilesN, whole = SplitKSchedule.Count(tiles - schedule.StreamKTiles, schedule.Clusters);
        double rows = (double)schedule.TilesM * GemmShape.TileM * shape.Cluster, columns = (double)schedule.TilesN * shape.TileN;
        double operands = 2 * GemmShape.Depth * steps * (rows + columns), bytes = shape.Bf16Result ? 2 : 4;
        double step = Step(shape,
            Math.Min(ThreadBlockBytes, (operands > Cache || schedule.StreamKTiles > 0 ? BeyondCacheBytes : CacheBytes) / schedule.Blocks));
        double tile = TileCycles + (GemmShape.TileM * shape.TileN * bytes * (shape.Store == ResultStore.Singles ? 3 : 1) / StoreBytes);
        double partial = GemmShape.TileM * shape.TileN * sizeof(float), cycles;
        if (shape.SplitK > 1)
        {
            cycles = (SplitKSchedule.Count(steps, shape.SplitK) * step) + tile + ReduceCycles +
                ((shape.SplitK - 1) * partial / ReduceBytes) + (shape.SplitK > 2 ? FourCycles : 0);
        }
        else
        {
            cycles = whole * ((steps * step) + tile);
            if (schedule.StreamKTiles > 0)
            {
                double share = (double)schedule.StreamKTiles * steps / schedule.Clusters, partials = Math.Max(1, steps / share);
                cycles += (ApartFactor * Math.Ceiling(share) * step) +
                    (Math.Ceiling((double)schedule.StreamKTiles / schedule.Clusters) * tile) +
                    (partials * PartialCycles) + ((1 + partials) * partial / StoreBytes);
            }
        }
        return Math.Max(cycles, TileCycles + ((operands + (rows * columns * bytes)) / MemoryBytes));
    }

    // Products of 64 × N × 16 take N/2 cycles, and two warpgroups alternate; narrow tiles do not hide the waits between stages.
    private static double Step(in GemmShape shape, double rate) =>
        Math.Max((4.0 * shape.TileN) + (shape.TileN < 256 ? 64 : 0), (GemmShape.BytesA + ((double)shape.BytesB / shape.Cluster)) / rate);
}

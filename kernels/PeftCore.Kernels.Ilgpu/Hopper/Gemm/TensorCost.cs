using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>Roughly how many cycles a plan takes, fitted to times on an H100: enough to choose between plans.</summary>
internal static class TensorCost
{
    // Bytes a cycle: what one group can read at most, all together from the L2 cache and, where operands do not fit it, from memory as well.
    private const double GroupBytes = 82, CacheBytes = 6340, BeyondCacheBytes = 5280, MemoryBytes = 1750, Cache = 40e6;
    private const double StoreBytes = 32;   // a cycle, for each group
    private const double TileCycles = 900;  // to start a tile's products and to empty them

    // Pieces that clusters add up through memory; such clusters stand at different places of K and do not find each other's operands in the cache.
    private const double PieceCycles = 3000, ApartFactor = 1.15;

    // Parts of K that a cluster's groups add up; a cluster of four waits for four free processors side by side.
    private const double FoldCycles = 1000, FoldBytes = 10, FourCycles = 4000;

    public static double Of(in TensorPlan plan, int steps)
    {
        var shape = plan.Shape;
        int tiles = plan.TilesM * plan.TilesN, whole = ProductPlan.Count(tiles - plan.Shared, plan.Clusters);
        double rows = (double)plan.TilesM * ProductShape.TileM * shape.Cluster, columns = (double)plan.TilesN * shape.TileN;
        double operands = 2 * ProductShape.Depth * steps * (rows + columns), bytes = shape.Narrow ? 2 : 4;
        double step = Step(shape, Math.Min(GroupBytes, (operands > Cache || plan.Shared > 0 ? BeyondCacheBytes : CacheBytes) / plan.Groups));
        double tile = TileCycles + (ProductShape.TileM * shape.TileN * bytes * (shape.Store == ResultStore.Singles ? 3 : 1) / StoreBytes);
        double part = ProductShape.TileM * shape.TileN * sizeof(float), cycles;
        if (shape.Split > 1)
        {
            cycles = (ProductPlan.Count(steps, shape.Split) * step) + tile + FoldCycles + ((shape.Split - 1) * part / FoldBytes) + (shape.Split > 2 ? FourCycles : 0);
        }
        else
        {
            cycles = whole * ((steps * step) + tile);
            if (plan.Shared > 0)
            {
                double share = (double)plan.Shared * steps / plan.Clusters, pieces = Math.Max(1, steps / share);
                cycles += (ApartFactor * Math.Ceiling(share) * step) + (Math.Ceiling((double)plan.Shared / plan.Clusters) * tile) +
                    (pieces * PieceCycles) + ((1 + pieces) * part / StoreBytes);
            }
        }
        return Math.Max(cycles, TileCycles + ((operands + (rows * columns * bytes)) / MemoryBytes));
    }

    // 64 × N × 16 products take N/2 cycles, and two warpgroups take turns; narrow ones do not hide the waits between stages.
    private static double Step(in ProductShape shape, double rate) => Math.Max((4.0 * shape.TileN) + (shape.TileN < 256 ? 64 : 0), (ProductShape.BytesA + ((double)shape.BytesB / shape.Cluster)) / rate);
}

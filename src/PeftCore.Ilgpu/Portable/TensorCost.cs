using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu;

/// <summary>Roughly how many cycles of a processor a plan takes on an H100: enough to choose between plans.</summary>
internal static class TensorCost
{
    private const double LoadBytes = 44;    // a cycle, from the L2 cache to each of all processors at once
    private const double StoreBytes = 32;
    private const double TileCycles = 900;  // to start a tile's products and to empty them
    private const double PieceCycles = 1500;
    private const double ApartFactor = 1.3; // clusters that stand at different places of K do not find each other's operands in the cache

    public static double Of(in TensorPlan plan, int steps)
    {
        int tiles = plan.TilesM * plan.TilesN, whole = ProductPlan.Count(tiles - plan.Shared, plan.Clusters);
        double step = Step(plan.Shape), tile = Tile(plan.Shape), cycles = whole * ((steps * step) + tile);
        if (plan.Shared == 0)
        {
            return cycles;
        }
        double share = (double)plan.Shared * steps / plan.Clusters, pieces = Math.Max(1, steps / share);
        double part = ProductShape.TileM * plan.Shape.TileN * sizeof(float) / StoreBytes;
        return cycles + (ApartFactor * Math.Ceiling(share) * step) + (Math.Ceiling((double)plan.Shared / plan.Clusters) * tile) + PieceCycles + ((1 + pieces) * part);
    }

    // 64 × N × 16 products take N/2 cycles, and two warpgroups take turns.
    private static double Step(in ProductShape shape) => Math.Max(4.0 * shape.TileN, (ProductShape.BytesA + ((double)shape.BytesB / shape.Cluster)) / LoadBytes);

    private static double Tile(in ProductShape shape)
    {
        double bytes = ProductShape.TileM * shape.TileN * (shape.Narrow ? 2 : 4) / StoreBytes;
        return TileCycles + (shape.Store == ResultStore.Singles ? 3 * bytes : bytes);
    }
}

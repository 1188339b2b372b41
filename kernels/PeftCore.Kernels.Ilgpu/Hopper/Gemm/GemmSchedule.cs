using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>The division of a GEMM into tiles, and their distribution over the clusters of a Hopper card.</summary>
/// <param name="Shape">The constants of its kernel.</param>
/// <param name="SwapAB">Bᵀ·Aᵀ is computed and its result written transposed: for results of few rows.</param>
/// <param name="TilesM">Rows of tiles, a cluster's counted as one.</param>
/// <param name="TilesN">Columns of tiles, of all results.</param>
/// <param name="StreamKTiles">Tiles that are cut along K so that clusters get equal shares (stream-K); the others are computed
/// whole.</param>
/// <param name="Clusters">Persistent clusters.</param>
internal readonly record struct GemmSchedule(GemmShape Shape, bool SwapAB, int TilesM, int TilesN, int StreamKTiles, int Clusters)
{
    /// <summary>Elements of a 16-byte copy; rows of operands start at multiples of it.</summary>
    public const int Chunk = 8;

    /// <summary>Elements from a row of an operand to the next, rounded up to whole chunks.</summary>
    public static int Pitch(int columns) => (columns + Chunk - 1) / Chunk * Chunk;

    /// <summary>A stream-K share of fewer stages costs more to add up than it saves.</summary>
    private const int MinStreamKSteps = 4;

    private const int MaxSinglesTileN = 128; // wider tiles leave no registers for the address of every element

    // A GPC has 14 to 18 processors, so that clusters of four cannot use every processor.
    private const int MaxSplitK = 4;

    private static readonly int[] Widths = [256, 128, 64, 32, 16];

    public int Blocks => Clusters * Shape.BlocksPerCluster;

    /// <summary>Bytes of stream-K's partial sums; 0 without stream-K tiles.</summary>
    public long PartialBytes => StreamKTiles == 0 ? 0 : (long)Blocks * GemmShape.TileM * Shape.TileN * sizeof(float);

    /// <summary>The most bytes of partial sums that a schedule needs: each processor holds one of the widest tile.</summary>
    public static long MaxPartialBytes(int processors) => (long)processors * GemmShape.TileM * Widths[0] * sizeof(float);

    /// <summary>The schedule with the least estimated time on a card with <paramref name="processors"/> multiprocessors.</summary>
    public static GemmSchedule For(in GemmProblem problem, int processors)
    {
        var best = For(problem, swapAB: false, processors, out double cycles);
        if (problem.MaySwapAB && problem.Widths.Length == 1 && problem.M < GemmShape.TileM && problem.M < problem.Widths[0])
        {
            var swapped = For(problem, swapAB: true, processors, out double other);
            best = other < cycles ? swapped : best;
        }
        return best;
    }

    private static GemmSchedule For(in GemmProblem problem, bool swapAB, int processors, out double least)
    {
        GemmSchedule best = default;
        least = double.MaxValue;
        foreach (int tileN in Widths)
        {
            if (tileN > MaxSinglesTileN && For(problem, swapAB, tileN, 1, processors).Shape.Store == ResultStore.Singles)
            {
                continue;
            }
            for (int cluster = 1; cluster <= 2; cluster++)
            {
                if (cluster == 1 || (tileN >= 128 && problem.M > GemmShape.TileM && processors > 1))
                {
                    ReplaceIfCheaper(For(problem, swapAB, tileN, cluster, processors), problem.Steps, ref best, ref least);
                }
            }
            for (int split = 2; split <= MaxSplitK && !problem.GathersPatches; split *= 2)
            {
                var schedule = SplitK(problem, swapAB, tileN, split, processors);
                if (schedule.Blocks <= (split > 2 ? 3 * processors / 4 : processors) && problem.Steps >= split * MinStreamKSteps)
                {
                    ReplaceIfCheaper(schedule, problem.Steps, ref best, ref least);
                }
            }
        }
        return best;
    }

    private static void ReplaceIfCheaper(in GemmSchedule schedule, int steps, ref GemmSchedule best, ref double least)
    {
        double cycles = GemmCostModel.Of(schedule, steps);
        if (cycles < least)
        {
            (best, least) = (schedule, cycles);
        }
    }

    /// <summary>The split-K schedule: a tile for each cluster, whose thread blocks each take a slice of K.</summary>
    internal static GemmSchedule SplitK(in GemmProblem problem, bool swapAB, int tileN, int split, int processors)
    {
        var schedule = For(problem, swapAB, tileN, 1, processors);
        return schedule with
        {
            Shape = schedule.Shape with { SplitK = split },
            StreamKTiles = 0,
            Clusters = schedule.TilesM * schedule.TilesN,
        };
    }

    internal static GemmSchedule For(in GemmProblem problem, bool swapAB, int tileN, int cluster, int processors)
    {
        int tilesM = SplitKSchedule.Count(swapAB ? problem.Widths[0] : problem.M, GemmShape.TileM * cluster),
            tilesN = swapAB ? SplitKSchedule.Count(problem.M, tileN) : 0;
        int width = 0;
        foreach (int n in problem.Widths)
        {
            tilesN += swapAB ? 0 : SplitKSchedule.Count(n, tileN);
            width |= n;
        }
        var (transposeA, rowMajorB) = swapAB ? (problem.RowMajorB, problem.TransposeA) : (problem.TransposeA, problem.RowMajorB);
        var shape = new GemmShape(tileN, cluster, 1, transposeA, rowMajorB, problem.Bf16Result, StoreFor(problem, swapAB, width, tileN))
        {
            GathersPatches = problem.GathersPatches,
        };
        int most = processors / cluster, tiles = tilesM * tilesN, rest = tiles % most;
        int streamK = rest == 0 ? 0 : tiles < most ? tiles : rest + most;
        var whole = new GemmSchedule(shape, swapAB, tilesM, tilesN, 0, Math.Min(most, tiles));
        int clusters = (int)Math.Min(most, Math.Max(tiles, (long)tiles * problem.Steps / MinStreamKSteps));
        var cut = whole with { StreamKTiles = streamK, Clusters = clusters };
        return streamK > 0 && problem.Steps >= 2 * MinStreamKSteps
            && GemmCostModel.Of(cut, problem.Steps) < GemmCostModel.Of(whole, problem.Steps) ? cut : whole;
    }

    // width is the bitwise or of all widths: a power of two that divides it divides each of them.
    private static ResultStore StoreFor(in GemmProblem problem, bool swapAB, int width, int tileN)
    {
        if (swapAB)
        {
            return ResultStore.Singles;
        }
        if (problem.Bf16Result && tileN >= 64 && width % Chunk == 0 && problem.Alignment % 16 == 0)
        {
            return ResultStore.Copied;
        }
        return width % 2 == 0 && problem.Alignment % (problem.Bf16Result ? 4 : 8) == 0 ? ResultStore.Pairs : ResultStore.Singles;
    }
}

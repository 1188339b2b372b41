using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>A sum of products of BF16 operands as the tensor cores see it: results of one height, beside each other.</summary>
internal readonly ref struct TensorWork
{
    /// <summary>Rows of each result.</summary>
    public required int M { get; init; }

    /// <summary>Columns of each result.</summary>
    public required ReadOnlySpan<int> Widths { get; init; }

    /// <summary>Stages of K behind every element.</summary>
    public required int Steps { get; init; }

    /// <summary>A is stored (K, M).</summary>
    public required bool TransposeA { get; init; }

    /// <summary>B is stored (K, N).</summary>
    public required bool AcrossB { get; init; }

    /// <summary>Results are BF16 rather than F32.</summary>
    public bool Narrow { get; init; }

    /// <summary>Bytes of which each result's address is a multiple.</summary>
    public required int Alignment { get; init; }

    /// <summary>The transposed product may be computed instead and written turned.</summary>
    public bool MayTurn { get; init; }
}

/// <summary>How a product goes to Hopper's tensor cores.</summary>
/// <param name="Shape">What its kernel is specialised for.</param>
/// <param name="Turned">Operands change places and the result is written turned: for results of few rows.</param>
/// <param name="TilesM">Rows of tiles, a cluster's counted as one.</param>
/// <param name="TilesN">Columns of tiles, of all results.</param>
/// <param name="Shared">Tiles that are cut along K so that clusters get equal shares; the others are computed whole.</param>
/// <param name="Clusters">Clusters that stay while the tiles go by.</param>
internal readonly record struct TensorPlan(ProductShape Shape, bool Turned, int TilesM, int TilesN, int Shared, int Clusters)
{
    /// <summary>Elements of a 16-byte copy: rows of operands must start at a multiple of it.</summary>
    public const int Chunk = 8;

    /// <summary>Elements from a row of an operand to the next: whole chunks.</summary>
    public static int Pitch(int columns) => (columns + Chunk - 1) / Chunk * Chunk;

    /// <summary>A piece of fewer stages costs more to add up than it gains.</summary>
    private const int ShortestPiece = 4;

    private const int WidestSingles = 128; // addresses for every element do not fit the registers beside more sums

    // Clusters of four cannot have every processor: those of a card stand in parts of 14 to 18.
    private const int MostSplit = 4;

    private static readonly int[] Widths = [256, 128, 64, 32, 16];

    public int Groups => Clusters * Shape.Groups;

    /// <summary>Bytes where pieces of tiles wait to be added up; none where no tile is cut.</summary>
    public long PartBytes => Shared == 0 ? 0 : (long)Groups * ProductShape.TileM * Shape.TileN * sizeof(float);

    /// <summary>The most that any plan needs there on a card with so many processors: each holds one piece of the widest tile.</summary>
    public static long MostPartBytes(int processors) => (long)processors * ProductShape.TileM * Widths[0] * sizeof(float);

    /// <summary>The plan that should take the least time on a card with so many processors.</summary>
    public static TensorPlan For(in TensorWork work, int processors)
    {
        var best = For(work, turned: false, processors, out double cycles);
        if (work.MayTurn && work.Widths.Length == 1 && work.M < ProductShape.TileM && work.M < work.Widths[0])
        {
            var turned = For(work, turned: true, processors, out double other);
            best = other < cycles ? turned : best;
        }
        return best;
    }

    private static TensorPlan For(in TensorWork work, bool turned, int processors, out double least)
    {
        TensorPlan best = default;
        least = double.MaxValue;
        foreach (int tileN in Widths)
        {
            if (tileN > WidestSingles && For(work, turned, tileN, 1, processors).Shape.Store == ResultStore.Singles)
            {
                continue;
            }
            for (int cluster = 1; cluster <= 2; cluster++)
            {
                if (cluster == 1 || (tileN >= 128 && work.M > ProductShape.TileM && processors > 1))
                {
                    Keep(For(work, turned, tileN, cluster, processors), work.Steps, ref best, ref least);
                }
            }
            for (int split = 2; split <= MostSplit; split *= 2)
            {
                var plan = Split(work, turned, tileN, split, processors);
                if (plan.Groups <= (split > 2 ? 3 * processors / 4 : processors) && work.Steps >= split * ShortestPiece)
                {
                    Keep(plan, work.Steps, ref best, ref least);
                }
            }
        }
        return best;
    }

    private static void Keep(in TensorPlan plan, int steps, ref TensorPlan best, ref double least)
    {
        double cycles = TensorCost.Of(plan, steps);
        if (cycles < least)
        {
            (best, least) = (plan, cycles);
        }
    }

    /// <summary>A tile for each cluster, whose groups share K.</summary>
    internal static TensorPlan Split(in TensorWork work, bool turned, int tileN, int split, int processors)
    {
        var plan = For(work, turned, tileN, 1, processors);
        return plan with { Shape = plan.Shape with { Split = split }, Shared = 0, Clusters = plan.TilesM * plan.TilesN };
    }

    internal static TensorPlan For(in TensorWork work, bool turned, int tileN, int cluster, int processors)
    {
        int tilesM = ProductPlan.Count(turned ? work.Widths[0] : work.M, ProductShape.TileM * cluster), tilesN = turned ? ProductPlan.Count(work.M, tileN) : 0;
        int width = 0;
        foreach (int n in work.Widths)
        {
            tilesN += turned ? 0 : ProductPlan.Count(n, tileN);
            width |= n;
        }
        var shape = new ProductShape(tileN, cluster, 1, turned ? work.AcrossB : work.TransposeA, turned ? work.TransposeA : work.AcrossB,
            work.Narrow, StoreFor(work, turned, width, tileN));
        int most = processors / cluster, tiles = tilesM * tilesN, rest = tiles % most;
        int shared = rest == 0 ? 0 : tiles < most ? tiles : rest + most;
        var whole = new TensorPlan(shape, turned, tilesM, tilesN, 0, Math.Min(most, tiles));
        int clusters = (int)Math.Min(most, Math.Max(tiles, (long)tiles * work.Steps / ShortestPiece));
        var cut = whole with { Shared = shared, Clusters = clusters };
        return shared > 0 && work.Steps >= 2 * ShortestPiece && TensorCost.Of(cut, work.Steps) < TensorCost.Of(whole, work.Steps) ? cut : whole;
    }

    // The bits of the widths together tell what all are multiples of.
    private static ResultStore StoreFor(in TensorWork work, bool turned, int width, int tileN)
    {
        if (turned)
        {
            return ResultStore.Singles;
        }
        if (work.Narrow && tileN >= 64 && width % Chunk == 0 && work.Alignment % 16 == 0)
        {
            return ResultStore.Copied;
        }
        return width % 2 == 0 && work.Alignment % (work.Narrow ? 4 : 8) == 0 ? ResultStore.Pairs : ResultStore.Singles;
    }
}

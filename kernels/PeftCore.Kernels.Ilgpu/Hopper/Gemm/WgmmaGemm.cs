using ILGPU;
using ILGPU.Runtime.Cuda;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>Up to four results of the same height, computed in one launch, each a sum of the same number of products. Addresses are plain
/// numbers; operands are named by tensor maps, which travel as a parameter of their own.</summary>
internal struct WgmmaArgs
{
    /// <summary>Where each result and its bias start; a bias at 0 is none.</summary>
    public long C0, C1, C2, C3, Bias0, Bias1, Bias2, Bias3;

    /// <summary>Bytes from a row of a result to the next.</summary>
    public long Row0, Row1, Row2, Row3;

    /// <summary>Stream-K: partial sums, a tile's for each thread block, and the flags that say that they are written.</summary>
    public long Partials, Flags;

    public int M, N0, N1, N2, N3;

    /// <summary>First column of tiles of results 1 to 3.</summary>
    public int Start1, Start2, Start3;

    /// <summary>Thread blocks of a cluster: each with its own rows, or each with its own slice of K.</summary>
    public int Cluster, Clusters;

    public int TileN, Stages;

    /// <summary>Rows of tiles, a cluster's counted as one; all columns of tiles; how many rows of tiles are walked together, for the L2
    /// cache.</summary>
    public int TilesM, TilesN, Band;

    /// <summary>Tiles, from the first, that are cut along K so that every cluster gets the same share (stream-K); the rest are computed
    /// whole.</summary>
    public int StreamKTiles;

    /// <summary>Products that each result is a sum of; stages of K behind each; all of them.</summary>
    public int Terms, End0, End1, End2, End3, End4, End5, End6, Steps;

    public int Accumulate, Bf16Bias, ColumnBytes;

    public float Alpha;
}

/// <summary>The tile scheduler: the tile that a cluster works on now, and stages From to To of its K. The stages of all stream-K tiles form
/// one line, of which each cluster takes an equal share, the last cluster the first: so a share waits only for shares of earlier clusters.
/// Then come whole tiles, one for each cluster in turn.</summary>
internal struct TileScheduler
{
    public int Tile, From, To, At, End, Next;

    public static TileScheduler First(WgmmaArgs args)
    {
        int cluster = Grid.IdxX / args.Cluster, place = args.Clusters - 1 - cluster;
        if (args.StreamKTiles == 0)
        {
            return Then(args, new TileScheduler { Next = cluster });
        }

        return Then(args, new TileScheduler { At = Begin(args, place), End = Begin(args, place + 1), Next = args.StreamKTiles + cluster });
    }

    /// <summary>Split-K: the thread block's slice of K of the cluster's one tile.</summary>
    public static TileScheduler Only(WgmmaArgs args)
    {
        int rank = Grid.IdxX % args.Cluster;
        return new TileScheduler
        {
            Tile = Grid.IdxX / args.Cluster,
            From = args.Steps * rank / args.Cluster,
            To = args.Steps * (rank + 1) / args.Cluster,
            Next = args.TilesM * args.TilesN,
        };
    }

    public static TileScheduler Then(WgmmaArgs args, TileScheduler work)
    {
        if (work.At < work.End)
        {
            work.Tile = work.At / args.Steps;
            work.From = work.At - (work.Tile * args.Steps);
            int left = work.End - work.At;
            work.To = work.From + left < args.Steps ? work.From + left : args.Steps;
            work.At += work.To - work.From;
        }
        else
        {
            work.Tile = work.Next;
            work.From = 0;
            work.To = work.Tile < args.TilesM * args.TilesN ? args.Steps : 0;
            work.Next += args.Clusters;
        }

        return work;
    }

    /// <summary>Where the share of the line begins that is the place-th from the last cluster.</summary>
    public static int Begin(WgmmaArgs args, int place) => args.StreamKTiles * args.Steps * place / args.Clusters;
}

/// <summary>What the thread blocks of a cluster divide among them.</summary>
internal interface IClusterMode
{
    /// <summary>K of one tile (split-K) rather than the rows of several, which share B by multicast.</summary>
    static abstract bool SplitsK { get; }
}

internal readonly struct MulticastB : IClusterMode
{
    public static bool SplitsK => false;
}

internal readonly struct SplitKCluster : IClusterMode
{
    public static bool SplitsK => true;
}

/// <summary>The place of a tile: its result, the thread block's row in it, its column of tiles and its column in the result.</summary>
internal struct WgmmaTile
{
    public int Result, Row, Column;

    public static WgmmaTile Of<TMode>(WgmmaArgs args, int tile) where TMode : struct, IClusterMode
    {
        int band = args.Band * args.TilesN, first = tile / band * args.Band, inBand = tile % band;
        int height = args.TilesM - first < args.Band ? args.TilesM - first : args.Band;
        int row = first + (inBand % height), column = inBand / height;
        row = TMode.SplitsK ? row : (row * args.Cluster) + (Grid.IdxX % args.Cluster);
        int result = (column >= args.Start1 ? 1 : 0) + (column >= args.Start2 ? 1 : 0) + (column >= args.Start3 ? 1 : 0);
        int start = result == 0 ? 0 : result == 1 ? args.Start1 : result == 2 ? args.Start2 : args.Start3;
        return new WgmmaTile
        {
            Result = result,
            Row = row * GemmShape.TileM,
            Column = (column - start) * args.TileN,
        };
    }
}

/// <summary>C = α·Σ op(A)·op(B) (+ bias) (+ C) on Hopper's tensor cores. Thread blocks are persistent: a producer thread keeps a ring of
/// stages full through the copy engine, also while the two consumer warpgroups write a tile's results.</summary>
internal readonly struct WgmmaGemm<TMode> : IKernel<WgmmaArgs> where TMode : struct, IClusterMode
{
    public static void Run(WgmmaArgs args)
    {
        CudaAsm.Emit("peft.begin;");
        if (Group.IdxX >= 256)
        {
            CudaAsm.Emit("peft.setmaxnreg_dec;");
            if (Group.IdxX == 256)
            {
                Produce(args);
            }

            if (TMode.SplitsK)
            {
                CudaAsm.Emit("peft.cluster_sync;");
            }
        }
        else
        {
            CudaAsm.Emit("peft.setmaxnreg_inc;");
            Consume(args);
        }

        CudaAsm.Emit("peft.end;");
    }

    private static void Produce(WgmmaArgs args)
    {
        int stage = 0, round = 1, rank = Grid.IdxX % args.Cluster;
        var work = TMode.SplitsK ? TileScheduler.Only(args) : TileScheduler.First(args);
        var tile = WgmmaTile.Of<TMode>(args, work.Tile);
        CudaAsm.Emit("peft.griddep_wait;");
        while (work.To > 0)
        {
            int term = 0, begin = 0, end = EndOf(args, 0);
            for (int step = work.From; step < work.To; step++)
            {
                while (step >= end)
                {
                    term++;
                    begin = end;
                    end = EndOf(args, term);
                }

                CudaAsm.Emit("peft.wait_empty %0, %1;", stage, round);
                CudaAsm.Emit("peft.load %0, %1, %2, %3, %4, %5;", stage, 2 * ((tile.Result * args.Terms) + term),
                    (step - begin) * GemmShape.Depth,
                    tile.Row, tile.Column, rank);
                stage++;
                round = stage == args.Stages ? 1 - round : round;
                stage = stage == args.Stages ? 0 : stage;
            }

            work = TileScheduler.Then(args, work);
            tile = WgmmaTile.Of<TMode>(args, work.Tile);
        }
    }

    private static void Consume(WgmmaArgs args)
    {
        int stage = 0, round = 0;
        var work = TMode.SplitsK ? TileScheduler.Only(args) : TileScheduler.First(args);
        CudaAsm.Emit("peft.griddep_wait;");
        for (; work.To > 0; work = TileScheduler.Then(args, work))
        {
            int last = 0;
            WgmmaTile tile = default;
            for (int step = work.From; step < work.To; step++)
            {
                CudaAsm.Emit("peft.wait_full %0, %1;", stage, round);
                CudaAsm.Emit("peft.multiply %0, %1;", stage, step - work.From);
                if (step > work.From)
                {
                    CudaAsm.Emit("peft.release %0;", last);
                }
                else
                {
                    tile = WgmmaTile.Of<TMode>(args, work.Tile); // While the first products run.
                }

                last = stage;
                stage++;
                round = stage == args.Stages ? 1 - round : round;
                stage = stage == args.Stages ? 0 : stage;
            }

            CudaAsm.Emit("peft.drain;");
            CudaAsm.Emit("peft.release %0;", last);
            if (TMode.SplitsK)
            {
                CudaAsm.Emit("peft.share_partial;");
                CudaAsm.Emit("peft.cluster_sync;");
                if (work.From == 0)
                {
                    for (int rank = 1; rank < args.Cluster; rank++)
                    {
                        CudaAsm.Emit("peft.reduce %0;", rank);
                    }

                    Finish(args, tile);
                }
            }
            else if (work.From > 0)
            {
                int block = Grid.IdxX;
                CudaAsm.Emit("peft.store_partial %0;", PartialOf(args, block));
                CudaAsm.Emit("peft.signal %0;", FlagOf(args, block));
            }
            else
            {
                if (work.To < args.Steps)
                {
                    Gather(args, work.Tile);
                }

                Finish(args, tile);
            }
        }
    }

    // The shares that go on from here belong to the clusters before this one.
    private static void Gather(WgmmaArgs args, int tile)
    {
        int end = (tile + 1) * args.Steps, place = args.Clusters - (Grid.IdxX / args.Cluster), block = Grid.IdxX - args.Cluster;
        while (TileScheduler.Begin(args, place) < end)
        {
            CudaAsm.Emit("peft.add_partial %0, %1;", PartialOf(args, block), FlagOf(args, block));
            place++;
            block -= args.Cluster;
        }
    }

    private static void Finish(WgmmaArgs args, WgmmaTile tile)
    {
        int t = Group.IdxX, lane = t % 32, warpgroup = t / 128, r = tile.Result;
        int i = tile.Row + (warpgroup * 64) + (t / 32 % 4 * 16) + (lane / 4), j = tile.Column + (lane % 4 * 2);
        int columns = (r == 0 ? args.N0 : r == 1 ? args.N1 : r == 2 ? args.N2 : args.N3) - j;
        long row = r == 0 ? args.Row0 : r == 1 ? args.Row1 : r == 2 ? args.Row2 : args.Row3;
        long bias = r == 0 ? args.Bias0 : r == 1 ? args.Bias1 : r == 2 ? args.Bias2 : args.Bias3;
        long c = r == 0 ? args.C0 : r == 1 ? args.C1 : r == 2 ? args.C2 : args.C3;
        c += (i * row) + ((long)j * args.ColumnBytes);
        if (args.Alpha != 1)
        {
            CudaAsm.Emit("peft.scale %0;", args.Alpha);
        }

        if (bias != 0)
        {
            CudaAsm.Emit("peft.bias %0, %1, %2;", bias + (j * (args.Bf16Bias != 0 ? 2L : 4L)), columns, args.Bf16Bias);
        }

        if (args.Accumulate != 0)
        {
            CudaAsm.Emit("peft.add %0, %1, %2, %3, %4;", c, args.M - i, columns, 8 * row, args.ColumnBytes);
        }

        CudaAsm.Emit("peft.store %0, %1, %2, %3, %4, %5, %6, %7;", c, args.M - i, columns, 8 * row, args.ColumnBytes,
            GemmPtx.OperandMaps + r, tile.Column, tile.Row + (warpgroup * 64));
    }

    private static int EndOf(WgmmaArgs args, int term) =>
        term == 0 ? args.End0 : term == 1 ? args.End1 : term == 2 ? args.End2 : term == 3 ? args.End3
        : term == 4 ? args.End4 : term == 5 ? args.End5 : term == 6 ? args.End6 : args.Steps;

    private static long PartialOf(WgmmaArgs args, int block) =>
        args.Partials + ((long)block * GemmShape.TileM * args.TileN * 4) + (Group.IdxX / 128 * 64L * args.TileN * 4) +
        (Group.IdxX % 128 * 16L);

    private static long FlagOf(WgmmaArgs args, int block) => args.Flags + (8L * block) + (Group.IdxX / 128 * 4);
}

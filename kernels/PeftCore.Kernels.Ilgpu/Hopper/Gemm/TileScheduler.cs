using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>The tile scheduler: a cluster's current tile, and the stages From to To of its K. Stream-K tiles come first: their stages form
/// one sequence, cut into equal shares, of which the last cluster takes the first, so that a share waits only for shares of earlier
/// clusters. Whole tiles follow, one for each cluster in turn.</summary>
internal struct TileScheduler
{
    public int Tile, From, To, At, End, Next;

    public static TileScheduler First(WgmmaArgs args)
    {
        int cluster = Grid.IdxX / args.Cluster, share = args.Clusters - 1 - cluster;
        if (args.StreamKTiles == 0)
        {
            return Then(args, new TileScheduler { Next = cluster });
        }

        return Then(args, new TileScheduler { At = Begin(args, share), End = Begin(args, share + 1), Next = args.StreamKTiles + cluster });
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

    /// <summary>The first stage of a share; share 0 belongs to the last cluster.</summary>
    public static int Begin(WgmmaArgs args, int share) => args.StreamKTiles * args.Steps * share / args.Clusters;
}

/// <summary>The division of work among the thread blocks of a cluster.</summary>
internal interface IClusterMode
{
    /// <summary>Each takes a slice of K of one tile (split-K). Otherwise each takes its own rows, and they share B by multicast.</summary>
    static abstract bool SplitsK { get; }

    /// <summary>The rows of A are patches of a convolution's input, which the copy engine gathers (im2col); otherwise a matrix.</summary>
    static abstract bool GathersPatches { get; }
}

internal readonly struct MulticastB : IClusterMode
{
    public static bool SplitsK => false;

    public static bool GathersPatches => false;
}

internal readonly struct SplitKCluster : IClusterMode
{
    public static bool SplitsK => true;

    public static bool GathersPatches => false;
}

internal readonly struct PatchesOfA : IClusterMode
{
    public static bool SplitsK => false;

    public static bool GathersPatches => true;
}

/// <summary>The position of a tile: its result, and its first row and column there.</summary>
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

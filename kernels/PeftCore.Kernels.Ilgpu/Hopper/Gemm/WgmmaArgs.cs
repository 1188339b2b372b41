namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>Arguments of <see cref="WgmmaGemm{TMode}"/>: up to four results of one height, each a sum of equally many products. Addresses
/// are plain numbers; the tensor maps of the operands are a second parameter.</summary>
internal struct WgmmaArgs
{
    /// <summary>Addresses of each result and its bias; 0 for no bias.</summary>
    public long C0, C1, C2, C3, Bias0, Bias1, Bias2, Bias3;

    /// <summary>Bytes from a row of a result to the next.</summary>
    public long Row0, Row1, Row2, Row3;

    /// <summary>Stream-K: addresses of the partial sums, one tile for each thread block, and of the flags that are set once they are
    /// written.</summary>
    public long Partials, Flags;

    public int M, N0, N1, N2, N3;

    /// <summary>First column of tiles of results 1 to 3.</summary>
    public int Start1, Start2, Start3;

    /// <summary>Thread blocks of a cluster, each with its own rows or its own slice of K; and the number of clusters.</summary>
    public int Cluster, Clusters;

    public int TileN, Stages;

    /// <summary>Rows of tiles, a cluster's counted as one; columns of tiles of all results; rows of tiles in a band, whose operands stay
    /// in the L2 cache.</summary>
    public int TilesM, TilesN, Band;

    /// <summary>Number of first tiles that are cut along K into equal shares for the clusters (stream-K); the rest are computed
    /// whole.</summary>
    public int StreamKTiles;

    /// <summary>Products of each sum; the stage of K at which each ends; all stages.</summary>
    public int Terms, End0, End1, End2, End3, End4, End5, End6, Steps;

    public int Accumulate, Bf16Bias, ColumnBytes;

    public float Alpha;

    /// <summary>The convolution whose patches A holds, where A is gathered.</summary>
    public PatchExtents Patches;
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>What products with quantised weights need on cards, for the cards themselves and for plans.</summary>
internal static class QuantizedProducts
{
    /// <summary>Most rows of x for which a product reads codes directly. It reads them once for every 16 rows, 0.53 bytes a number, where
    /// dequantising first moves 4.5: docs/decisions/quantized-products.md.</summary>
    public const int MostStreamedRows = 48;

    private const int StreamedBlock = 64, Alignment = 256;

    /// <summary>Whether cards with tensor cores multiply a few rows of BF16 directly with a quantised weight.</summary>
    /// <param name="weight">(n, k)</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="transposeB">Whether the product is x·Wᵀ.</param>
    public static bool Streams(Tensor weight, int rows, bool transposeB) => transposeB && rows <= MostStreamedRows
        && weight.Format is { Kind: not QuantizedKind.Int8, BlockSize: StreamedBlock } && weight.Shape.Columns % StreamedBlock == 0
        && weight.Count > 0;

    /// <summary>Where the parts of the workspace of an INT8 product begin, in bytes: the codes of x (rows, columns), their scales, and with
    /// a threshold a flag for each column and the list of outlier columns after their number.</summary>
    public static (long Scales, long Flags, long Outliers, long Bytes) Int8Workspace(int rows, int columns, float threshold)
    {
        long scales = Aligned((long)rows * columns), flags = Aligned(scales + (long)rows * sizeof(float));
        long outliers = Aligned(flags + (long)columns * sizeof(int));
        return (scales, flags, outliers, threshold == 0 ? flags : outliers + (columns + 1L) * sizeof(int));
    }

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}

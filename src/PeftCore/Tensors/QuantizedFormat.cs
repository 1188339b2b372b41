using PeftCore.Kernels;

namespace PeftCore.Tensors;

/// <summary>How the numbers of a quantised matrix (rows, columns) lie in one storage: the codes, then the scales.
/// <para>NF4 and FP4 (Dettmers et al. 2023, QLoRA): the row-major numbers in blocks of <see cref="BlockSize"/>, which may cross rows; two
/// codes a byte, the first one in the upper half; one F32 scale a block, the block's largest magnitude. With double quantisation the scales
/// less their mean are bytes of bitsandbytes' dynamic map, in blocks of 256 with one F32 scale each, and the mean follows.</para>
/// <para>INT8 (Dettmers et al. 2022, LLM.int8()): one signed byte a number, one F32 scale a row, its largest magnitude; a number is
/// code·scale/127.</para></summary>
/// <param name="Kind">The codes.</param>
/// <param name="BlockSize">Numbers of a block; 0 where a block is a row.</param>
/// <param name="DoubleQuantized">Whether the scales are quantised.</param>
/// <param name="Threshold">INT8: columns of x with a magnitude of at least this are multiplied in x's dtype; 0 for none.</param>
/// <param name="Numbers">Dtype of the numbers before they were quantised, which files record.</param>
internal sealed record QuantizedFormat(QuantizedKind Kind, int BlockSize = 64, bool DoubleQuantized = false, float Threshold = 0,
    DType Numbers = DType.F32)
{
    /// <summary>Scales of a block of scales, with double quantisation.</summary>
    public const int ScaleBlock = 256;

    // Every part begins at a multiple of this, as kernels with vector loads need.
    private const int Alignment = 256;

    /// <summary>The format's name in messages.</summary>
    public string Name => Kind switch
    {
        QuantizedKind.NF4 => DoubleQuantized ? "NF4 (double)" : "NF4",
        QuantizedKind.FP4 => DoubleQuantized ? "FP4 (double)" : "FP4",
        _ => "INT8",
    };

    /// <summary>Whether a product quantises the rows of x: LLM.int8().</summary>
    public bool QuantizesRows => Kind == QuantizedKind.Int8;

    /// <summary>Blocks of a matrix.</summary>
    public long BlocksOf(Shape shape) => BlockSize == 0 ? shape.Rows : (shape.Count + BlockSize - 1) / BlockSize;

    /// <summary>Where the parts of a matrix lie.</summary>
    public QuantizedParts PartsOf(Shape shape)
    {
        long codes = Kind == QuantizedKind.Int8 ? shape.Count : (shape.Count + 1) / 2;
        long blocks = BlocksOf(shape), scales = Aligned(codes);
        if (!DoubleQuantized)
        {
            return new QuantizedParts(codes, scales, blocks, 0, 0, 0, scales + blocks * sizeof(float));
        }
        long scaleBlocks = (blocks + ScaleBlock - 1) / ScaleBlock, scaleScales = Aligned(scales + blocks);
        long mean = scaleScales + scaleBlocks * sizeof(float);
        return new QuantizedParts(codes, scales, blocks, scaleScales, scaleBlocks, mean, mean + sizeof(float));
    }

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}

/// <summary>Where the parts of a quantised matrix lie, in bytes from its first byte. Codes come first.</summary>
/// <param name="CodeBytes">Bytes of the codes.</param>
/// <param name="Scales">First byte of the scales: F32, or bytes with double quantisation.</param>
/// <param name="ScaleCount">Number of scales.</param>
/// <param name="ScaleScales">First byte of the F32 scales of the scales; 0 without double quantisation.</param>
/// <param name="ScaleScaleCount">Number of scales of the scales.</param>
/// <param name="Mean">First byte of the scales' F32 mean; 0 without double quantisation.</param>
/// <param name="Bytes">Bytes of all parts.</param>
internal readonly record struct QuantizedParts(long CodeBytes, long Scales, long ScaleCount, long ScaleScales, long ScaleScaleCount,
    long Mean, long Bytes);

using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>MXFP4 of a linear layer with a weight (out, in): "weight_blocks" U8 (out, in/32, 16) and "weight_scales" U8 (out, in/32) as
/// gpt-oss has its experts, or "weight_packed" U8 (out, in/2) and "weight_scale" U8 (out, in/32) as compressed-tensors'
/// "mxfp4-pack-quantized".</summary>
internal sealed class Mxfp4Weight : DecodedWeight
{
    private const int Block = 2 * Mxfp4.BlockBytes;

    private readonly WeightEntry _codes, _scales;
    private readonly StoredQuantization? _method;

    private Mxfp4Weight(WeightEntry codes, WeightEntry scales, IEnumerable<WeightEntry> unused, StoredQuantization? method,
        bool isTransposed)
        : base(isTransposed)
    {
        (_codes, _scales, _method) = (codes, scales, method);
        Entries = [codes, scales, .. unused];
    }

    public override IReadOnlyList<WeightEntry> Entries { get; }

    public override DType DType => _method?.Numbers ?? DType.BF16;

    public override string Method => _method?.Name ?? "MXFP4";

    /// <summary>The weight of a layer; null if the file does not have it so.</summary>
    public static Mxfp4Weight? Of(Func<string, WeightEntry?> find, StoredQuantization? method, bool isTransposed) =>
        find("weight_blocks") is { DType: "U8" } blocks && find("weight_scales") is { DType: "U8" } powers
            ? new Mxfp4Weight(blocks, powers, [], method, isTransposed)
        : find("weight_packed") is { DType: "U8" } packed && find("weight_scale") is { DType: "U8" } scale
            ? new Mxfp4Weight(packed, scale, new[] { find("weight_shape") }.OfType<WeightEntry>(), method, isTransposed)
        : null;

    public override void Check(Shape shape)
    {
        var (rows, columns) = MatrixOf(shape);
        bool fits = columns % Block == 0 && (_codes.Shape.AsSpan().SequenceEqual([rows, columns / Block, Mxfp4.BlockBytes])
            || _codes.Shape.AsSpan().SequenceEqual([rows, columns / 2]));
        if (!fits)
        {
            throw _codes.Error($"has shape ({string.Join(", ", _codes.Shape)}), but MXFP4 of a weight ({rows}, {columns}) has ({rows}, "
                + $"{columns / 2}) bytes, for columns in blocks of {Block}");
        }
        StoredParts.Matrix(_scales, "U8", rows, columns / Block);
    }

    protected override void Decode(int first, int columns, Span<float> numbers)
    {
        int blocks = columns / Block;
        for (int at = 0, row = first; at < numbers.Length; at += columns, row++)
        {
            var codes = _codes.Span((long)row * columns / 2, columns / 2);
            var scales = _scales.Span((long)row * blocks, blocks);
            for (int i = 0; i < codes.Length; i++)
            {
                byte scale = scales[i / Mxfp4.BlockBytes];
                numbers[at + 2 * i] = Mxfp4.Number(codes[i] & 15, scale);
                numbers[at + 2 * i + 1] = Mxfp4.Number(codes[i] >> 4, scale);
            }
        }
    }
}

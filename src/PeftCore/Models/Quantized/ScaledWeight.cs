using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>A matrix "weight" (out, in) of FP8 (OCP 8-bit Floating Point Specification: E4M3 or E5M2) or I8 numbers with scales:
/// w = number·scale. "weight_scale_inv" (out/128, in/128) has one for each block (DeepSeek-V3, and transformers' FP8); "weight_scale" one
/// for the matrix, (1), for each row, (out, 1), for each group of columns, (out, groups), or for each block (compressed-tensors, FBGEMM).
/// Scales of activations ("input_scale") are not used: products are not quantised.</summary>
internal sealed class ScaledWeight : DecodedWeight
{
    private static readonly string[] ScaleNames = ["weight_scale_inv", "weight_scale"], Unused = ["input_scale", "activation_scale",
        "input_scale_ub", "weight_zero_point"];

    private static readonly float[] E4M3 = [.. Enumerable.Range(0, 256).Select(code => Number(code, exponentBits: 4))];
    private static readonly float[] E5M2 = [.. Enumerable.Range(0, 256).Select(code => Number(code, exponentBits: 5))];
    private static readonly float[] Int8 = [.. Enumerable.Range(0, 256).Select(code => (float)(sbyte)code)];

    private readonly WeightEntry _codes, _scales;
    private readonly StoredQuantization? _method;
    private float[]? _factors;
    private int _rowsOfBlock, _columnsOfBlock, _scaleColumns;

    private ScaledWeight(WeightEntry codes, WeightEntry scales, IEnumerable<WeightEntry> unused, StoredQuantization? method,
        bool isTransposed)
        : base(isTransposed)
    {
        (_codes, _scales, _method) = (codes, scales, method);
        Entries = [codes, scales, .. unused];
    }

    public override IReadOnlyList<WeightEntry> Entries { get; }

    public override DType DType => _method?.Numbers ?? WeightDType;

    public override string Method => _method?.Name ?? "FP8";

    private DType WeightDType => _scales.DType is "F16" ? DType.F16 : DType.BF16;

    /// <summary>The weight of a tensor of codes; null if it has no scales.</summary>
    /// <param name="codes">The tensor "weight".</param>
    /// <param name="find">Finds a tensor of the layer by the end of its name.</param>
    /// <param name="method">The configuration; null if it is silent.</param>
    /// <param name="isTransposed">Whether the parameter is (in, out).</param>
    public static ScaledWeight? Of(WeightEntry codes, Func<string, WeightEntry?> find, StoredQuantization? method, bool isTransposed) =>
        codes.DType is "F8_E4M3" or "F8_E5M2" or "I8" && ScaleNames.Select(find).FirstOrDefault(entry => entry is not null) is { } scales
            ? new ScaledWeight(codes, scales, Unused.Select(find).OfType<WeightEntry>(), method, isTransposed) : null;

    public override void Check(Shape shape)
    {
        var (rows, columns) = MatrixOf(shape);
        StoredParts.Matrix(_codes, _codes.DType, rows, columns);
        if (_scales.DType is not ("F32" or "BF16" or "F16" or "F8_E8M0"))
        {
            throw _scales.Error($"is {_scales.DType}, expected scales of F32, BF16, F16 or F8_E8M0");
        }
        (_rowsOfBlock, _columnsOfBlock) = BlockOf(rows, columns);
        _scaleColumns = (columns + _columnsOfBlock - 1) / _columnsOfBlock;
        if (Entries.FirstOrDefault(entry => entry.Name.EndsWith("weight_zero_point", StringComparison.Ordinal)) is { } zeros
            && zeros.Bytes.ContainsAnyExcept((byte)0))
        {
            throw zeros.Error("has zero points other than 0, which are not supported for this format");
        }
        float[] factors = Factors();
        if (Array.FindIndex(factors, factor => !float.IsFinite(factor)) is var at and >= 0)
        {
            throw _scales.Error($"has {factors[at]} as its scale {at}, expected finite numbers");
        }
    }

    protected override void Decode(int first, int columns, Span<float> numbers)
    {
        _factors ??= Factors();
        float[] values = _codes.DType switch { "F8_E4M3" => E4M3, "F8_E5M2" => E5M2, _ => Int8 };
        for (int at = 0, row = first; at < numbers.Length; at += columns, row++)
        {
            var codes = _codes.Span((long)row * columns, columns);
            var factors = _factors.AsSpan(row / _rowsOfBlock * _scaleColumns, _scaleColumns);
            for (int i = 0; i < columns; i++)
            {
                numbers[at + i] = values[codes[i]] * factors[i / _columnsOfBlock];
            }
        }
    }

    private (int Rows, int Columns) BlockOf(int rows, int columns)
    {
        long[] shape = _scales.Shape;
        if (shape.Aggregate(1L, (count, axis) => count * axis) == 1)
        {
            return (Math.Max(rows, 1), Math.Max(columns, 1));
        }
        var (r, c) = _method?.Block ?? StoredQuantization.UsualBlock;
        if (shape is [var first, var second])
        {
            if (first == rows && (second == 1 || (_method?.GroupSize > 0 && second == Ceiling(columns, _method.GroupSize))))
            {
                return (1, second == 1 ? Math.Max(columns, 1) : _method!.GroupSize);
            }
            if (first == Ceiling(rows, r) && second == Ceiling(columns, c))
            {
                return (r, c);
            }
        }
        else if (shape is [var length] && length == rows)
        {
            return (1, Math.Max(columns, 1));
        }
        throw _scales.Error($"has shape ({string.Join(", ", shape)}), expected one scale, ({rows}, 1) for rows, or ({Ceiling(rows, r)}, "
            + $"{Ceiling(columns, c)}) for blocks of {r} × {c}");
    }

    private static int Ceiling(int count, int size) => (count + size - 1) / size;

    private float[] Factors() => _scales.DType == "F8_E8M0"
        ? Array.ConvertAll(_scales.ToArray<byte>(), exponent => exponent == 255 ? float.NaN : MathF.ScaleB(1, exponent - 127))
        : _scales.ToFloats();

    /// <summary>The number of an 8-bit code. E4M3 has no infinities, and NaN only with all bits set; E5M2 is as IEEE 754 has it.</summary>
    internal static float Number(int code, int exponentBits)
    {
        int mantissaBits = 7 - exponentBits, bias = (1 << (exponentBits - 1)) - 1;
        int exponent = (code & 127) >> mantissaBits, mantissa = code & ((1 << mantissaBits) - 1), highest = (1 << exponentBits) - 1;
        float magnitude = exponentBits == 5 && exponent == highest ? mantissa == 0 ? float.PositiveInfinity : float.NaN
            : exponentBits == 4 && (code & 127) == 127 ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, 1 - bias - mantissaBits)
            : MathF.ScaleB((1 << mantissaBits) + mantissa, exponent - bias - mantissaBits);
        return code < 128 ? magnitude : -magnitude;
    }
}

using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>INT8 as bitsandbytes saves it: "weight" I8 (out, in), "SCB" F32 (out) with the largest magnitude of each row, and
/// "weight_format" U8, 0 for rows.</summary>
internal sealed class EightBitWeight : CodedWeight
{
    private const string Scales = "SCB", FormatName = "weight_format", Weight = ".weight";
    private const byte RowMajor = 0;

    private readonly WeightEntry _codes, _scales;
    private readonly WeightEntry? _layout;
    private readonly QuantizedFormat _format;

    private EightBitWeight(WeightEntry codes, WeightEntry scales, WeightEntry? layout, float threshold, DType numbers, bool isTransposed)
        : base(isTransposed)
    {
        (_codes, _scales, _layout) = (codes, scales, layout);
        _format = new QuantizedFormat(QuantizedKind.Int8, BlockSize: 0, Threshold: threshold, Numbers: numbers);
        Entries = layout is null ? [codes, scales] : [codes, scales, layout];
    }

    public override IReadOnlyList<WeightEntry> Entries { get; }

    public override string Method => "bitsandbytes (8 bits)";

    public override QuantizedFormat Format => _format;

    /// <summary>The weight of a tensor of codes; null if it is not one.</summary>
    public static EightBitWeight? Of(WeightEntry codes, Func<string, WeightEntry?> find, float threshold, DType numbers, bool isTransposed)
    {
        string module = codes.Name.EndsWith(Weight, StringComparison.Ordinal) ? codes.Name[..^(Weight.Length - 1)] : codes.Name + ".";
        return find(module + Scales) is { } scales
            ? new EightBitWeight(codes, scales, find(module + FormatName), threshold, numbers, isTransposed) : null;
    }

    public override void Check(Shape shape)
    {
        var (rows, columns) = MatrixOf(shape);
        StoredParts.Matrix(_codes, "I8", rows, columns);
        StoredParts.Finite(StoredParts.Vector(_scales, "F32", rows));
        if (_layout is not null && (_layout.DType != "U8" || _layout.Length != 1 || _layout.View[0] != RowMajor))
        {
            throw _layout.Error(_layout.DType == "U8" && _layout.Length == 1
                ? $"is {_layout.View[0]}, a layout of bitsandbytes before 0.45 for one kind of card; expected 0, rows. Load and save the model once "
                    + "in Python with a newer bitsandbytes"
                : $"is {_layout.DType} of {_layout.Length} bytes, expected one U8: 0, rows");
        }
    }

    public override void ReadCodes(Tensor value)
    {
        StoredParts.Upload(_codes, value, 0);
        StoredParts.Upload(_scales, value, _format.PartsOf(value.Shape).Scales);
    }

    /// <summary>The tensors that transformers writes for a quantised weight.</summary>
    public static IEnumerable<SafetensorsTensor> ToFile(string name, Tensor value)
    {
        string module = name.EndsWith(Weight, StringComparison.Ordinal) ? name[..^(Weight.Length - 1)] : name + ".";
        int rows = value.Shape[0], columns = value.Shape[1];
        yield return StoredParts.ToFile(name, "I8", [rows, columns], value, 0);
        yield return StoredParts.ToFile(module + Scales, "F32", [rows], value, value.Format!.PartsOf(value.Shape).Scales);
        yield return new SafetensorsTensor(module + FormatName, "U8", [], new byte[] { RowMajor });
    }
}

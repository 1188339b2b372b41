using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>NF4 and FP4 as bitsandbytes saves them (its QuantState.as_dict, packed). Of a weight "w" (out, in) a file has: "w", two codes a
/// byte, as (bytes, 1); "w.absmax", a scale for each block; "w.quant_map", the sixteen levels; with double quantisation "w.nested_absmax"
/// and "w.nested_quant_map"; and "w.quant_state.bitsandbytes__nf4" or "…__fp4", JSON in bytes with the other fields.</summary>
internal sealed class FourBitWeight : CodedWeight
{
    private const string Absmax = ".absmax", Map = ".quant_map", NestedAbsmax = ".nested_absmax", NestedMap = ".nested_quant_map",
        State = ".quant_state.bitsandbytes__";

    private const int LongestState = 1 << 16, LargestBlock = 4096, SmallestBlock = 32;

    private readonly WeightEntry _codes;
    private readonly Func<string, WeightEntry?> _find;
    private readonly ConfigReader _fields;
    private readonly QuantizedFormat _format;

    private FourBitWeight(WeightEntry codes, WeightEntry state, Func<string, WeightEntry?> find, bool isTransposed) : base(isTransposed)
    {
        (_codes, _find) = (codes, find);
        _fields = FieldsOf(state);
        string type = _fields.Choice("quant_type", null, QuantizationOptions.NF4, QuantizationOptions.FP4);
        if (!state.Name.EndsWith(State + type, StringComparison.Ordinal))
        {
            throw _fields.Error("quant_type", $"is \"{type}\", which is not the one in the tensor's name");
        }
        int block = _fields.Int("blocksize", min: SmallestBlock, max: LargestBlock);
        if (!int.IsPow2(block))
        {
            throw _fields.Error("blocksize", $"is {block}, expected a power of two from {SmallestBlock} to {LargestBlock}");
        }
        bool nested = _fields.Has("nested_offset") || _fields.Has("nested_blocksize") || find(codes.Name + NestedAbsmax) is not null;
        _format = new QuantizedFormat(type == QuantizationOptions.NF4 ? QuantizedKind.NF4 : QuantizedKind.FP4, block, nested,
            Numbers: FloatNames.Parse(_fields, "dtype"));
        if (nested && _fields.Int("nested_blocksize") is var blocks && blocks != QuantizedFormat.ScaleBlock)
        {
            throw _fields.Error("nested_blocksize", $"is {blocks}, expected {QuantizedFormat.ScaleBlock}, the only one of bitsandbytes");
        }
        if (nested)
        {
            _fields.Choice("nested_dtype", "float32", "float32");
            _fields.Float("nested_offset", min: float.MinValue, max: float.MaxValue);
        }
        string[] names = nested ? [Absmax, Map, NestedAbsmax, NestedMap] : [Absmax, Map];
        Entries = [codes, state, .. names.Select(name => Part(name))];
    }

    public override IReadOnlyList<WeightEntry> Entries { get; }

    public override string Method => "bitsandbytes (4 bits)";

    public override QuantizedFormat Format => _format;

    /// <summary>The weight of a tensor of codes; null if it is not one.</summary>
    /// <param name="codes">The tensor.</param>
    /// <param name="find">Finds other tensors of the file.</param>
    /// <param name="isTransposed">Whether the parameter is (in, out).</param>
    public static FourBitWeight? Of(WeightEntry codes, Func<string, WeightEntry?> find, bool isTransposed) =>
        (find(codes.Name + State + QuantizationOptions.NF4) ?? find(codes.Name + State + QuantizationOptions.FP4)) is { } state
            ? new FourBitWeight(codes, state, find, isTransposed) : null;

    public override void Check(Shape shape)
    {
        var (rows, columns) = MatrixOf(shape);
        Shape matrix = [rows, columns];
        if (_fields.IntsOrNull("shape") is not [var r, var c] || r != rows || c != columns)
        {
            throw _fields.Error("shape", $"is {_fields.Raw("shape")?.GetRawText() ?? "missing"}, but the configuration makes it {matrix}");
        }
        var parts = _format.PartsOf(matrix);
        if (_codes.Length != parts.CodeBytes || _codes.DType is "BOOL" or "I64" or "U64")
        {
            throw _codes.Error($"is {_codes.DType} of {_codes.Length} bytes, expected {parts.CodeBytes} bytes of codes for {matrix}");
        }
        var scales = StoredParts.Vector(Part(Absmax), _format.DoubleQuantized ? "U8" : "F32", parts.ScaleCount);
        StoredParts.Map(Part(Map), FourBitLevels.Of(_format.Kind));
        if (_format.DoubleQuantized)
        {
            StoredParts.Finite(StoredParts.Vector(Part(NestedAbsmax), "F32", parts.ScaleScaleCount));
            StoredParts.Map(Part(NestedMap), DynamicMap.Signed.Values);
        }
        else
        {
            StoredParts.Finite(scales);
        }
    }

    public override void ReadCodes(Tensor value)
    {
        var parts = _format.PartsOf(value.Shape);
        StoredParts.Upload(_codes, value, 0);
        StoredParts.Upload(Part(Absmax), value, parts.Scales);
        if (_format.DoubleQuantized)
        {
            StoredParts.Upload(Part(NestedAbsmax), value, parts.ScaleScales);
            float mean = Mean;
            StoredParts.Upload(MemoryMarshal.AsBytes(new ReadOnlySpan<float>(in mean)), value, parts.Mean);
        }
    }

    private float Mean => (float)_fields.Float("nested_offset");

    private WeightEntry Part(string name) => _find(_codes.Name + name)
        ?? throw _codes.Error($"is quantised with bitsandbytes, but its tensor \"{_codes.Name}{name}\" is missing");

    private static ConfigReader FieldsOf(WeightEntry state)
    {
        if (state.DType != "U8" || state.Shape.Length != 1 || state.Length > LongestState)
        {
            throw state.Error($"is {state.DType} ({string.Join(", ", state.Shape)}), expected U8 of at most {LongestState} bytes: JSON");
        }
        return ConfigReader.Parse(Encoding.UTF8.GetString(state.View), $"{state.File.Path}: tensor \"{state.Name}\"");
    }

    /// <summary>The tensors that transformers writes for a quantised weight.</summary>
    public static IEnumerable<SafetensorsTensor> ToFile(string name, Tensor value)
    {
        var format = value.Format!;
        var parts = format.PartsOf(value.Shape);
        string type = format.Kind == QuantizedKind.NF4 ? QuantizationOptions.NF4 : QuantizationOptions.FP4;
        yield return StoredParts.ToFile(name, "U8", [parts.CodeBytes, 1], value, 0);
        yield return StoredParts.ToFile(name + Absmax, format.DoubleQuantized ? "U8" : "F32", [parts.ScaleCount], value, parts.Scales);
        yield return SafetensorsTensor.Of(name + Map, "F32", [16], FourBitLevels.Of(format.Kind).ToArray());
        var state = new StringBuilder($$"""{"quant_type": "{{type}}", "blocksize": {{format.BlockSize}}, """)
            .Append(CultureInfo.InvariantCulture, $"\"dtype\": \"{FloatNames.Of(format.Numbers)}\", ")
            .Append(CultureInfo.InvariantCulture, $"\"shape\": [{value.Shape[0]}, {value.Shape[1]}]");
        if (format.DoubleQuantized)
        {
            yield return StoredParts.ToFile(name + NestedAbsmax, "F32", [parts.ScaleScaleCount], value, parts.ScaleScales);
            yield return SafetensorsTensor.Of(name + NestedMap, "F32", [DynamicMap.Count], [.. DynamicMap.Signed.Values]);
            using var part = value.PartOf(parts.Mean, [1], DType.F32);
            float mean = part.Item();
            state.Append(CultureInfo.InvariantCulture, $", \"nested_blocksize\": {QuantizedFormat.ScaleBlock}")
                .Append(", \"nested_dtype\": \"float32\", ").Append(CultureInfo.InvariantCulture, $"\"nested_offset\": {PythonNumber(mean)}");
        }
        yield return new SafetensorsTensor(name + State + type, "U8", [state.Length + 1], Encoding.UTF8.GetBytes(state.Append('}')
            .ToString()));
    }

    // Python's repr: the shortest digits of the double, a decimal point or an exponent.
    private static string PythonNumber(double number)
    {
        string text = number.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e');
        return text.Contains('.') || text.Contains('e') ? text : text + ".0";
    }
}

using System.Runtime.InteropServices;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>GPTQ (Frantar et al. 2022) as AutoGPTQ and GPTQModel save it. Of a layer with a weight (out, in): "qweight" I32 (in·bits/32,
/// out), codes of a column of the file in a stream; "scales" F16 (groups, out); "qzeros" I32 (groups, out·bits/32), zero points of a row of
/// the file in a stream, less one unless the format is gptq_v2; "g_idx" I32 (in), the group of each column, which act-order leaves
/// unsorted.</summary>
internal sealed class GptqWeight : GroupedWeight
{
    private readonly WeightEntry _codes, _zeros, _scales;
    private readonly WeightEntry? _groupOf;
    private readonly StoredQuantization _method;

    private GptqWeight(WeightEntry codes, WeightEntry zeros, WeightEntry scales, WeightEntry? groupOf, StoredQuantization method,
        bool isTransposed) : base(isTransposed)
    {
        (_codes, _zeros, _scales, _groupOf, _method) = (codes, zeros, scales, groupOf, method);
        Entries = groupOf is null ? [codes, zeros, scales] : [codes, zeros, scales, groupOf];
    }

    public override IReadOnlyList<WeightEntry> Entries { get; }

    public override DType DType => _method.Numbers ?? DTypeOf(_scales);

    public override string Method => _method.Name;

    protected override int Groups => (int)_scales.Shape[0];

    /// <summary>The weight of a layer; null if the file does not have it so.</summary>
    /// <param name="find">Finds a tensor of the layer by the end of its name.</param>
    /// <param name="method">The configuration.</param>
    /// <param name="isTransposed">Whether the parameter is (in, out).</param>
    public static GptqWeight? Of(Func<string, WeightEntry?> find, StoredQuantization method, bool isTransposed) =>
        find("qweight") is { } codes ? new GptqWeight(codes,
            find("qzeros") ?? throw codes.Error("has no \"qzeros\" beside it, which GPTQ needs"),
            find("scales") ?? throw codes.Error("has no \"scales\" beside it, which GPTQ needs"), find("g_idx"), method,
                isTransposed) : null;

    public override void Check(Shape shape)
    {
        var (rows, columns) = MatrixOf(shape);
        Rows = rows;
        int size = _method.GroupSize <= 0 ? columns : _method.GroupSize, groups = (columns + size - 1) / size;
        StoredParts.Matrix(_codes, "I32", BitStream.Words(columns, _method.Bits), rows);
        CheckScales(_scales, groups, rows);
        StoredParts.Matrix(_zeros, "I32", groups, BitStream.Words(rows, _method.Bits));
        if (_groupOf is null)
        {
            return;
        }
        int[] given = StoredParts.Vector(_groupOf, "I32", columns).ToArray<int>();
        if (Array.FindIndex(given, group => group < 0 || group >= groups) is var at and >= 0)
        {
            throw _groupOf.Error($"has {given[at]} for column {at}, but there are {groups} groups of {size}");
        }
    }

    protected override float[] Scales(int rows) => Transposed(_scales.ToFloats(), Groups, rows);

    protected override int[] Zeros(int rows)
    {
        var words = MemoryMarshal.Cast<byte, uint>(_zeros.View);
        int stride = (int)_zeros.Shape[1];
        int[] zeros = new int[rows * Groups];
        for (int row = 0; row < rows; row++)
        {
            for (int group = 0; group < Groups; group++)
            {
                zeros[row * Groups + group] = BitStream.Code(words, group * stride, 1, row, _method.Bits) + (_method.IsGptqV2 ? 0 : 1);
            }
        }
        return zeros;
    }

    protected override int[] GroupOf(int columns) => _groupOf?.ToArray<int>() ?? EqualGroups(columns, _method.GroupSize);

    protected override void Unpack(int first, int rows, int columns, Span<byte> codes)
    {
        var words = MemoryMarshal.Cast<byte, uint>(_codes.View);
        for (int column = 0; column < columns; column++)
        {
            for (int row = 0; row < rows; row++)
            {
                codes[row * columns + column] = (byte)BitStream.Code(words, first + row, Rows, column, _method.Bits);
            }
        }
    }
}

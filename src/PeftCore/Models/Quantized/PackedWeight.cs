using System.Runtime.InteropServices;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>compressed-tensors' "pack-quantized". Of a layer with a weight (out, in): "weight_packed" I32 (out, in·bits/32), signed codes
/// plus 2^(bits − 1), a stream for each row; "weight_scale" (out, groups); "weight_shape" I64 (out, in); without symmetry
/// "weight_zero_point" I32 (out·bits/32, groups), a stream for each group, stored as the codes are; with act-order "weight_g_idx"
/// (in).</summary>
internal sealed class PackedWeight : GroupedWeight
{
    private readonly WeightEntry _codes, _scales;
    private readonly WeightEntry? _shape, _zeros, _groupOf;
    private readonly StoredQuantization _method;

    private PackedWeight(WeightEntry codes, Func<string, WeightEntry?> find, StoredQuantization method, bool isTransposed)
        : base(isTransposed)
    {
        (_codes, _method) = (codes, method);
        _scales = find("weight_scale") ?? throw codes.Error("has no \"weight_scale\" beside it, which compressed-tensors needs");
        (_shape, _zeros, _groupOf) = (find("weight_shape"), find("weight_zero_point"), find("weight_g_idx"));
        Entries = [.. new[] { codes, _scales, _shape, _zeros, _groupOf }.OfType<WeightEntry>()];
    }

    public override IReadOnlyList<WeightEntry> Entries { get; }

    public override DType DType => _method.Numbers ?? DTypeOf(_scales);

    public override string Method => _method.Name;

    protected override int Groups => (int)_scales.Shape[^1];

    private int Middle => 1 << (_method.Bits - 1);

    /// <summary>The weight of a layer; null if the file does not have it so.</summary>
    public static PackedWeight? Of(Func<string, WeightEntry?> find, StoredQuantization method, bool isTransposed) =>
        find("weight_packed") is { DType: "I32" } codes ? new PackedWeight(codes, find, method, isTransposed) : null;

    public override void Check(Shape shape)
    {
        var (rows, columns) = MatrixOf(shape);
        Rows = rows;
        int size = _method.GroupSize <= 0 ? columns : _method.GroupSize, groups = (columns + size - 1) / size;
        StoredParts.Matrix(_codes, "I32", rows, BitStream.Words(columns, _method.Bits));
        CheckScales(_scales, rows, groups);
        if (_shape is not null)
        {
            long[] given = StoredParts.Vector(_shape, "I64", 2).ToArray<long>();
            if (given[0] != rows || given[1] != columns)
            {
                throw _shape.Error($"is ({given[0]}, {given[1]}), but the configuration makes it ({rows}, {columns})");
            }
        }
        if (_zeros is not null)
        {
            StoredParts.Matrix(_zeros, "I32", BitStream.Words(rows, _method.Bits), groups);
        }
        if (_groupOf is not null && StoredParts.Vector(_groupOf, "I32", columns).ToArray<int>() is var given2
            && Array.FindIndex(given2, group => group < 0 || group >= groups) is var at and >= 0)
        {
            throw _groupOf.Error($"has {given2[at]} for column {at}, but there are {groups} groups of {size}");
        }
    }

    protected override float[] Scales(int rows) => _scales.ToFloats();

    protected override int[] Zeros(int rows)
    {
        int[] zeros = new int[rows * Groups];
        if (_zeros is null)
        {
            Array.Fill(zeros, Middle);
            return zeros;
        }
        var words = MemoryMarshal.Cast<byte, uint>(_zeros.View);
        for (int row = 0; row < rows; row++)
        {
            for (int group = 0; group < Groups; group++)
            {
                zeros[row * Groups + group] = BitStream.Code(words, group, Groups, row, _method.Bits);
            }
        }
        return zeros;
    }

    protected override int[] GroupOf(int columns) => _groupOf?.ToArray<int>() ?? EqualGroups(columns, _method.GroupSize);

    protected override void Unpack(int first, int rows, int columns, Span<byte> codes)
    {
        var words = MemoryMarshal.Cast<byte, uint>(_codes.View);
        int stride = (int)_codes.Shape[1];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                codes[row * columns + column] = (byte)BitStream.Code(words, (first + row) * stride, 1, column, _method.Bits);
            }
        }
    }
}

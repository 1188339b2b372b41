using System.Runtime.InteropServices;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>AWQ (Lin et al. 2023) as AutoAWQ saves it, version "gemm". Of a layer with a weight (out, in): "qweight" I32 (in, out/8), eight
/// codes of neighbouring rows a word; "qzeros" I32 (groups, out/8); "scales" F16 (groups, out). The codes of a word are interleaved: row
/// 8w + j has the four bits at 4·<see cref="Place"/>(j).</summary>
internal sealed class AwqWeight : GroupedWeight
{
    private const int Codes = 8, Bits = 4, Mask = 15;

    private readonly WeightEntry _codes, _zeros, _scales;
    private readonly StoredQuantization _method;

    private AwqWeight(WeightEntry codes, WeightEntry zeros, WeightEntry scales, StoredQuantization method, bool isTransposed)
        : base(isTransposed)
    {
        (_codes, _zeros, _scales, _method) = (codes, zeros, scales, method);
        Entries = [codes, zeros, scales];
    }

    public override IReadOnlyList<WeightEntry> Entries { get; }

    public override DType DType => _method.Numbers ?? DTypeOf(_scales);

    public override string Method => _method.Name;

    protected override int Groups => (int)_scales.Shape[0];

    /// <summary>The weight of a layer; null if the file does not have it so.</summary>
    public static AwqWeight? Of(Func<string, WeightEntry?> find, StoredQuantization method, bool isTransposed) =>
        find("qweight") is { } codes ? new AwqWeight(codes,
            find("qzeros") ?? throw codes.Error("has no \"qzeros\" beside it, which AWQ needs"),
            find("scales") ?? throw codes.Error("has no \"scales\" beside it, which AWQ needs"), method, isTransposed) : null;

    public override void Check(Shape shape)
    {
        var (rows, columns) = MatrixOf(shape);
        Rows = rows;
        int size = _method.GroupSize <= 0 ? columns : _method.GroupSize;
        if (rows % Codes != 0 || columns % size != 0)
        {
            throw _codes.Error($"is of a weight ({rows}, {columns}), but AWQ takes outputs in eights and inputs in groups of {size}");
        }
        StoredParts.Matrix(_codes, "I32", columns, rows / Codes);
        StoredParts.Matrix(_zeros, "I32", columns / size, rows / Codes);
        CheckScales(_scales, columns / size, rows);
    }

    protected override float[] Scales(int rows) => Transposed(_scales.ToFloats(), Groups, rows);

    protected override int[] Zeros(int rows)
    {
        var words = MemoryMarshal.Cast<byte, uint>(_zeros.View);
        int[] zeros = new int[rows * Groups];
        for (int row = 0; row < rows; row++)
        {
            for (int group = 0; group < Groups; group++)
            {
                zeros[row * Groups + group] = CodeOf(words[(group * rows + row) / Codes], row);
            }
        }
        return zeros;
    }

    protected override int[] GroupOf(int columns) => [.. Enumerable.Range(0, columns).Select(column => column / (columns / Groups))];

    protected override void Unpack(int first, int rows, int columns, Span<byte> codes)
    {
        var words = MemoryMarshal.Cast<byte, uint>(_codes.View);
        for (int column = 0; column < columns; column++)
        {
            for (int row = 0; row < rows; row++)
            {
                codes[row * columns + column] = (byte)CodeOf(words[(int)(((long)column * Rows + first + row) / Codes)], first + row);
            }
        }
    }

    private static int CodeOf(uint word, int row) => (int)(word >> (Bits * Place(row % Codes))) & Mask;

    /// <summary>The place of a row's code in its word: even rows in the lower half.</summary>
    private static int Place(int row) => row / 2 + row % 2 * (Codes / 2);
}

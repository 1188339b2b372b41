using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>A matrix of unsigned codes of a few bits with a scale and a zero point for each row and group of columns:
/// w[o, i] = scale[o, g(i)]·(code[o, i] − zero[o, g(i)]).</summary>
/// <param name="isTransposed">Whether the parameter is (in, out).</param>
internal abstract class GroupedWeight(bool isTransposed) : DecodedWeight(isTransposed)
{
    private float[]? _scales;
    private byte[] _codes = [];
    private int[] _zeros = [], _groupOf = [];

    /// <summary>Number of groups of columns.</summary>
    protected abstract int Groups { get; }

    /// <summary>The scales, (out, groups).</summary>
    protected abstract float[] Scales(int rows);

    /// <summary>The zero points, (out, groups).</summary>
    protected abstract int[] Zeros(int rows);

    /// <summary>The group of each column.</summary>
    protected abstract int[] GroupOf(int columns);

    /// <summary>The group of each column where groups are runs of columns.</summary>
    /// <param name="columns">Number of columns.</param>
    /// <param name="size">Columns of a group; 0 or less for all.</param>
    protected static int[] EqualGroups(int columns, int size) =>
        [.. Enumerable.Range(0, columns).Select(column => column / (size <= 0 ? columns : size))];

    /// <summary>Unpacks the codes of rows from <paramref name="first"/> on.</summary>
    protected abstract void Unpack(int first, int rows, int columns, Span<byte> codes);

    /// <summary>Number of rows of the whole matrix.</summary>
    protected int Rows { get; set; }

    protected sealed override void Decode(int first, int columns, Span<float> numbers)
    {
        if (_scales is null)
        {
            (_scales, _zeros, _groupOf) = (Scales(Rows), Zeros(Rows), GroupOf(columns));
        }
        int rows = numbers.Length / columns;
        if (_codes.Length < numbers.Length)
        {
            _codes = new byte[numbers.Length];
        }
        Unpack(first, rows, columns, _codes.AsSpan(0, numbers.Length));
        for (int row = 0; row < rows; row++)
        {
            var scales = _scales.AsSpan((first + row) * Groups, Groups);
            var zeros = _zeros.AsSpan((first + row) * Groups, Groups);
            var codes = _codes.AsSpan(row * columns, columns);
            var result = numbers.Slice(row * columns, columns);
            for (int i = 0; i < columns; i++)
            {
                int group = _groupOf[i];
                result[i] = scales[group] * (codes[i] - zeros[group]);
            }
        }
    }

    /// <summary>A matrix (groups, out) as (out, groups).</summary>
    protected static T[] Transposed<T>(T[] values, int groups, int rows)
    {
        var turned = new T[values.Length];
        for (int group = 0; group < groups; group++)
        {
            for (int row = 0; row < rows; row++)
            {
                turned[row * groups + group] = values[group * rows + row];
            }
        }
        return turned;
    }

    /// <summary>Checks the dtype of scales, and that they are finite numbers.</summary>
    protected static void CheckScales(WeightEntry scales, long rows, long columns)
    {
        if (scales.DType is not ("F16" or "BF16" or "F32"))
        {
            throw scales.Error($"is {scales.DType}, expected scales of F16, BF16 or F32");
        }
        StoredParts.Matrix(scales, scales.DType, rows, columns);
        if (scales.ToFloats().FirstOrDefault(scale => !float.IsFinite(scale), 0) is var bad && bad != 0)
        {
            throw scales.Error($"has a scale that is {bad}, expected finite numbers");
        }
    }

    /// <summary>The dtype of a tensor of scales.</summary>
    protected static DType DTypeOf(WeightEntry scales) => scales.DType switch
    {
        "F16" => DType.F16,
        "F32" => DType.F32,
        _ => DType.BF16,
    };
}

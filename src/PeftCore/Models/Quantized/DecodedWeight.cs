using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>A quantised matrix (out, in) whose rows are dequantised on the host, in pieces: the memory on the device beside the tensor is
/// that of one piece in F32.</summary>
/// <param name="isTransposed">Whether the parameter is (in, out), as GPT-2's.</param>
internal abstract class DecodedWeight(bool isTransposed) : StoredWeight
{
    // Rows of a piece are a multiple of this: eight codes of four bits of neighbouring rows are one word in AWQ.
    private const int RowsTogether = 8;

    /// <summary>Whether the parameter is (in, out).</summary>
    protected bool IsTransposed => isTransposed;

    /// <summary>Dequantises rows.</summary>
    /// <param name="first">The first row, a multiple of eight.</param>
    /// <param name="columns">Numbers of a row.</param>
    /// <param name="numbers">(rows, columns)</param>
    protected abstract void Decode(int first, int columns, Span<float> numbers);

    /// <summary>The matrix of a parameter's shape.</summary>
    protected (int Rows, int Columns) MatrixOf(Shape shape) => isTransposed ? (shape[1], shape[0]) : (shape[0], shape[1]);

    public override void Read(Tensor value)
    {
        var (rows, columns) = MatrixOf(value.Shape);
        if (isTransposed)
        {
            float[] whole = value.Backend.IsMeta ? [] : Transposed(rows, columns);
            Fill(value, PieceReader.Elements, (first, count) => whole.AsSpan((int)first, count));
            return;
        }
        int together = Math.Max(1, PieceReader.Elements / columns / RowsTogether) * RowsTogether;
        float[] piece = value.Backend.IsMeta ? [] : new float[(long)Math.Min(rows, together) * columns];
        Fill(value, together * columns, (first, count) =>
        {
            var numbers = piece.AsSpan(0, count);
            Decode((int)(first / columns), columns, numbers);
            return numbers;
        });
    }

    private delegate ReadOnlySpan<float> Source(long first, int count);

    private static void Fill(Tensor value, int most, Source source)
    {
        using var staging = value.DType == DType.F32 ? null
            : value.NewLike([(int)Math.Min(most, value.Count)], DType.F32, MemoryKind.Workspace).Keep();
        foreach (var (first, part) in value.Chunks(most))
        {
            using var numbers = staging?.Unscoped(part.Shape);
            if (!value.Backend.IsMeta)
            {
                (numbers ?? part).Upload(source(first, (int)part.Count));
            }
            if (numbers is not null)
            {
                part.Backend.Cast(numbers, part);
            }
        }
    }

    private float[] Transposed(int rows, int columns)
    {
        float[] matrix = new float[(long)rows * columns], turned = new float[matrix.Length];
        Decode(0, columns, matrix);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                turned[(long)column * rows + row] = matrix[(long)row * columns + column];
            }
        }
        return turned;
    }
}

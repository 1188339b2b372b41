using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Data;

/// <summary>The pixels or the sound of a batch. Sounds may differ in length: shorter rows are padded with zeros.</summary>
internal sealed class DenseBatch
{
    private DenseBatch(float[] values, Shape shape, int[] lengths, bool marksPadding) =>
        (Values, Shape, Lengths, MarksPadding) = (values, shape, lengths, marksPadding);

    /// <summary>Row-major.</summary>
    public float[] Values { get; } // (B, …, longest)

    /// <summary>The extents, that of the batch first.</summary>
    public Shape Shape { get; }

    /// <summary>The last extent of each row before padding: samples or frames of a sound.</summary>
    public int[] Lengths { get; } // (B)

    /// <summary>Whether the model is told of <see cref="Lengths"/>.</summary>
    public bool MarksPadding { get; }

    /// <summary>The values as inputs of a model.</summary>
    public DenseArray Array => new(Values, Shape);

    /// <summary>Reads the rows of a batch.</summary>
    /// <param name="rows">The source of each row.</param>
    /// <param name="draws">Which time each row is drawn; empty for the first.</param>
    /// <param name="spare">A batch whose memory is used again if it has the same size; null for none.</param>
    /// <exception cref="BadInputException">The rows differ in an extent other than the last.</exception>
    public static DenseBatch Read(IReadOnlyList<DenseSource> rows, ReadOnlySpan<SampleDraw> draws, DenseBatch? spare)
    {
        var first = rows[0].Shape;
        int longest = 0;
        int[] lengths = new int[rows.Count];
        for (int i = 0; i < rows.Count; i++)
        {
            var row = rows[i];
            if (row.Shape.Rank != first.Rank || row.Shape.Count / row.Shape.Columns != first.Count / first.Columns)
            {
                throw new BadInputException($"a batch has a sample of shape {first} and one of shape {row.Shape}, which do not fit together");
            }
            lengths[i] = row.ColumnsIn(draws.IsEmpty ? default : draws[i]);
            longest = Math.Max(longest, lengths[i]);
        }
        int lines = (int)(first.Count / first.Columns);
        float[] values = spare?.Values is { } before && before.Length == (long)rows.Count * lines * longest ? before
            : new float[rows.Count * lines * longest];
        for (int i = 0; i < rows.Count; i++)
        {
            Read(rows[i], values.AsSpan(i * lines * longest, lines * longest), lengths[i], longest, draws.IsEmpty ? default : draws[i]);
        }
        return new DenseBatch(values, Batched(rows.Count, first, longest), lengths, rows[0].MarksPadding);
    }

    /// <summary>One row alone, without padding.</summary>
    public DenseBatch Row(int row)
    {
        int each = Values.Length / Shape[0], longest = Shape.Columns, length = Lengths[row];
        float[] alone = new float[each / longest * length];
        for (int line = 0; line < each / longest; line++)
        {
            Values.AsSpan(row * each + line * longest, length).CopyTo(alone.AsSpan(line * length));
        }
        int[] extents = new int[Shape.Rank];
        Shape.CopyTo(extents);
        (extents[0], extents[^1]) = (1, length);
        return new DenseBatch(alone, Shape.Of(extents), [length], MarksPadding);
    }

    private static void Read(DenseSource source, Span<float> target, int length, int longest, SampleDraw draw)
    {
        if (length == longest)
        {
            source.Read(target, draw);
            return;
        }
        target.Clear();
        float[] own = new float[target.Length / longest * length];
        source.Read(own, draw);
        for (int line = 0; line < own.Length / length; line++)
        {
            own.AsSpan(line * length, length).CopyTo(target[(line * longest)..]);
        }
    }

    private static Shape Batched(int rows, Shape shape, int longest)
    {
        int[] extents = new int[shape.Rank];
        shape.CopyTo(extents);
        extents[^1] = longest;
        return Shape.Of([rows, .. extents]);
    }
}

namespace PeftCore.Data;

/// <summary>Puts samples side by side, padded on the right.</summary>
public sealed class Collator
{
    private readonly int _padId;
    private readonly int _multipleOf;
    private readonly int? _fixedLength;

    /// <summary>Creates a collator.</summary>
    /// <param name="padId">The token to pad with. Which one does not matter to the result: nothing attends to it, nothing learns from it.</param>
    /// <param name="multipleOf">Rows are padded to the longest, rounded up to a multiple of this.</param>
    /// <param name="fixedLength">Or all batches have this length.</param>
    public Collator(int padId, int multipleOf = 1, int? fixedLength = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(padId);
        ArgumentOutOfRangeException.ThrowIfLessThan(multipleOf, 1);
        (_padId, _multipleOf, _fixedLength) = (padId, multipleOf, fixedLength);
    }

    /// <summary>One sample a row.</summary>
    public Batch Collate(IReadOnlyList<Example> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        return CollateRows([.. samples.Select(sample => new[] { sample })]);
    }

    /// <summary>Several samples a row, one after the other: each has its own positions and attends to itself alone.</summary>
    public Batch CollateRows(IReadOnlyList<IReadOnlyList<Example>> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfZero(rows.Count);
        int longest = rows.Max(row => row.Sum(sample => sample.Ids.Length));
        int length = _fixedLength ?? (longest + _multipleOf - 1) / _multipleOf * _multipleOf;
        if (longest > length)
            throw new ArgumentException($"A row has {longest} tokens, more than the fixed length {length}.", nameof(rows));
        var batch = new Batch(rows.Count, length);
        Array.Fill(batch.InputIds, _padId);
        for (int row = 0; row < rows.Count; row++)
        {
            foreach (Example sample in rows[row])
                Append(batch, row, sample);
            if (rows[row].Count == 1)
                batch.ClassLabels[row] = rows[row][0].ClassLabel;
        }
        if (rows.Any(row => row[0].TaskId is not null))
            batch.TaskIds = [.. rows.Select(row => row[0].TaskId ?? 0)];
        if (rows.Any(row => row.Count > 1))
            batch.CausalRanges = Ranges(batch);
        return batch;
    }

    private static void Append(Batch batch, int row, Example sample)
    {
        int start = row * batch.Length + batch.Lengths[row];
        sample.Ids.CopyTo(batch.InputIds, start);
        for (int i = 1; i < sample.Ids.Length; i++)
        {
            batch.Positions[start + i] = i;
            batch.Labels[start + i] = sample.Labels[i];
            batch.TrainableTokens += sample.Labels[i] == Example.Masked ? 0 : 1;
        }
        batch.Lengths[row] += sample.Ids.Length;
    }

    private static int[] Ranges(Batch batch)
    {
        int[] ranges = new int[batch.InputIds.Length * 2];
        for (int at = 0; at < batch.InputIds.Length; at++)
        {
            // The position of padding is zero, so a padding token sees itself: an empty range would make a softmax over nothing.
            int i = at % batch.Length;
            ranges[2 * at] = i - batch.Positions[at];
            ranges[2 * at + 1] = i + 1;
        }
        return ranges;
    }
}

namespace PeftCore.Data;

/// <summary>Puts samples side by side, padded on the right.</summary>
public sealed class Collator
{
    private readonly int _padId;
    private readonly int _multipleOf;
    private readonly int? _fixedLength;

    /// <summary>Creates a collator.</summary>
    /// <param name="padId">The token to pad with. Which one does not matter to the result: nothing attends to it, nothing learns from
    /// it.</param>
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
        Example[][] samples = [.. rows.Select(row => row.ToArray())];
        var batch = new Batch(rows.Count, LengthOf(samples));
        Fill(batch, samples);
        return batch;
    }

    /// <summary>How long the rows of a batch of these are.</summary>
    internal int LengthOf(ReadOnlySpan<Example[]> rows)
    {
        int longest = 0;
        foreach (var row in rows)
        {
            int tokens = 0;
            foreach (var sample in row)
            {
                tokens += sample.Ids.Length;
            }

            longest = Math.Max(longest, tokens);
        }
        int length = _fixedLength ?? (longest + _multipleOf - 1) / _multipleOf * _multipleOf;
        return longest <= length ? length : throw new ArgumentException($"A row has {longest} tokens, more than the fixed length {length}.",
            nameof(rows));
    }

    /// <summary>Puts rows into a batch of their number and length, whatever stood in it.</summary>
    internal void Fill(Batch batch, ReadOnlySpan<Example[]> rows)
    {
        batch.Clear(_padId);
        bool packed = false, tasks = false;
        for (int row = 0; row < rows.Length; row++)
        {
            foreach (var sample in rows[row])
            {
                Append(batch, row, sample);
            }

            if (rows[row].Length == 1)
            {
                batch.ClassLabels[row] = rows[row][0].ClassLabel;
            }

            packed |= rows[row].Length > 1;
            tasks |= rows[row][0].TaskId is not null;
        }
        if (tasks)
        {
            batch.TaskIds = new int[rows.Length];
            for (int row = 0; row < rows.Length; row++)
            {
                batch.TaskIds[row] = rows[row][0].TaskId ?? 0;
            }
        }
        if (packed)
        {
            Ranges(batch);
        }
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

    private static void Ranges(Batch batch)
    {
        int[] ranges = batch.NewRanges();
        for (int at = 0; at < batch.InputIds.Length; at++)
        {
            // The position of padding is zero, so a padding token sees itself: an empty range would make a softmax over nothing.
            int i = at % batch.Length;
            ranges[2 * at] = i - batch.Positions[at];
            ranges[2 * at + 1] = i + 1;
        }
    }
}

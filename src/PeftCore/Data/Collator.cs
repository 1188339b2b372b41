namespace PeftCore.Data;

/// <summary>Collates samples to batches: pads them on the right, and shifts and counts the labels once for everything that computes a
/// loss.</summary>
internal sealed class Collator
{
    private readonly int _padId;
    private readonly int _multipleOf;
    private readonly int? _fixedLength;

    /// <summary>Creates a collator.</summary>
    /// <param name="padId">The padding token. Its value does not change the result: no token attends to it, and its label is
    /// masked.</param>
    /// <param name="multipleOf">Rows are padded to the longest, rounded up to a multiple of this.</param>
    /// <param name="fixedLength">The length of every batch; null for the rule of <paramref name="multipleOf"/>.</param>
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

    /// <summary>Several samples a row (packing): each has positions from 0 and attends to its own tokens only.</summary>
    public Batch CollateRows(IReadOnlyList<IReadOnlyList<Example>> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfZero(rows.Count);
        Example[][] samples = [.. rows.Select(row => row.ToArray())];
        var batch = new Batch(rows.Count, LengthOf(samples), TargetLengthOf(samples));
        Fill(batch, samples);
        return batch;
    }

    /// <summary>The row length T of a batch of these samples.</summary>
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

    /// <summary>The target length S of a batch of these samples; 0 without targets.</summary>
    internal static int TargetLengthOf(ReadOnlySpan<Example[]> rows)
    {
        int longest = 0;
        foreach (var row in rows)
        {
            longest = Math.Max(longest, row[0].TargetIds?.Length ?? 0);
        }
        return longest;
    }

    /// <summary>Overwrites a batch of the right size with these rows.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="rows">The samples of each row.</param>
    /// <param name="draws">Which time each row is drawn; empty for the first.</param>
    internal void Fill(Batch batch, ReadOnlySpan<Example[]> rows, ReadOnlySpan<SampleDraw> draws = default)
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
            SetCausalRanges(batch);
        }
        FillTask(batch, rows);
        FillDense(batch, rows, draws);
        if (rows[0][0].LabelsInPlace)
        {
            batch.KeepLabels();
        }
        else
        {
            batch.ShiftLabels();
        }
    }

    /// <summary>Fills what only some tasks have; for causal models it does nothing.</summary>
    private static void FillTask(Batch batch, ReadOnlySpan<Example[]> rows)
    {
        for (int row = 0; row < rows.Length; row++)
        {
            var sample = rows[row][0];
            if (sample.TypeIds is { } types)
            {
                types.CopyTo(batch.TypeIds ?? batch.NewTypeIds(), row * batch.Length);
            }
            if (sample.Span is (int start, int end))
            {
                int[] spans = batch.Spans ?? batch.NewSpans();
                (spans[row], spans[rows.Length + row]) = (start, end);
            }
            if (sample.Score is double score)
            {
                (batch.Scores ?? batch.NewScores(1))[row] = (float)score;
            }
            if (sample.ClassFlags is { } flags)
            {
                flags.CopyTo(batch.Scores ?? batch.NewScores(flags.Length), row * flags.Length);
            }
            if (sample.Window is { } window)
            {
                (batch.Windows ??= new QuestionWindow[rows.Length])[row] = window;
            }
            if (sample.Boxes is { } boxes)
            {
                boxes.CopyTo(batch.Boxes ??= new int[4 * batch.InputIds.Length], 4 * row * batch.Length);
            }
            batch.IsPairs |= sample.IsPair;
            batch.IsTranscripts |= sample.IsTranscript;
            batch.WordDelimiter ??= sample.WordDelimiter;
            sample.TargetIds?.CopyTo(batch.DecoderLabels!, row * batch.TargetLength);
        }
    }

    /// <summary>Reads pictures and recordings.</summary>
    private static void FillDense(Batch batch, ReadOnlySpan<Example[]> rows, ReadOnlySpan<SampleDraw> draws)
    {
        var (pixels, sound) = (Sources(rows, sample => sample.Pixels), Sources(rows, sample => sample.Sound));
        batch.Pixels = pixels is null ? null : DenseBatch.Read(pixels, draws, batch.Pixels);
        batch.Sound = sound is null ? null : DenseBatch.Read(sound, draws, batch.Sound);
        var states = Sources(rows, sample => sample.EncoderStates);
        batch.EncoderStates = states is null ? null : DenseBatch.Read(states, draws, batch.EncoderStates);
        var classes = Sources(rows, sample => sample.Classes);
        batch.Classes = classes is null ? null : DenseBatch.Read(classes, draws, batch.Classes);
        for (int row = 0; row < rows.Length && rows[row][0].Pixels is NoisedPicture picture; row++)
        {
            var draw = draws.IsEmpty ? default : draws[row];
            int numbers = (int)picture.Shape.Count;
            (batch.Timesteps ??= new int[rows.Length])[row] = picture.StepOf(draw);
            picture.ReadTarget((batch.Scores ?? batch.NewScores(numbers)).AsSpan(row * numbers, numbers), draw);
        }
    }

    private static DenseSource[]? Sources(ReadOnlySpan<Example[]> rows, Func<Example, DenseSource?> sourceOf)
    {
        if (sourceOf(rows[0][0]) is null)
        {
            return null;
        }
        var sources = new DenseSource[rows.Length];
        for (int row = 0; row < rows.Length; row++)
        {
            sources[row] = sourceOf(rows[row][0])
                ?? throw new BadInputException(
                    "some samples of a batch have a picture, a recording or the states of a text, and others have none");
        }
        return sources;
    }

    private static void Append(Batch batch, int row, Example sample)
    {
        if (sample.Ids.Length > 1 && sample.Labels.Length != sample.Ids.Length)
        {
            throw new BadInputException($"a sample has {sample.Ids.Length} tokens and {sample.Labels.Length} labels, but each token has one.");
        }
        int start = row * batch.Length + batch.Lengths[row];
        sample.Ids.CopyTo(batch.InputIds, start);
        for (int i = 1; i < sample.Ids.Length; i++)
        {
            batch.Positions[start + i] = i;
            batch.Labels[start + i] = sample.Labels[i];
        }
        if (sample.LabelsInPlace && sample.Labels.Length > 0)
        {
            batch.Labels[start] = sample.Labels[0];
        }
        batch.Lengths[row] += sample.Ids.Length;
    }

    private static void SetCausalRanges(Batch batch)
    {
        int[] ranges = batch.NewRanges();
        for (int at = 0; at < batch.InputIds.Length; at++)
        {
            // The position of padding is 0, so a padding token attends to itself: a softmax needs at least one key.
            int i = at % batch.Length;
            ranges[2 * at] = i - batch.Positions[at];
            ranges[2 * at + 1] = i + 1;
        }
    }
}

namespace PeftCore.Data;

/// <summary>Draws batches, epoch after epoch. The order of an epoch is a pure function of seed and epoch, so that a resumed run draws the
/// same batches as one that never stopped.</summary>
/// <example>
/// <code>
/// int[] ids = [5, 6, 7, 8], more = [9, 10];
/// var loader = new DataLoader([new Example(ids, ids), new Example(more, more)], new LoaderOptions { BatchSize = 2, PadId = 0 });
/// foreach (var batch in loader.Epoch())
/// {
///     Console.WriteLine($"{batch.BatchSize} × {batch.Length}, {batch.TrainableTokens} targets"); // 2 × 4, 4 targets
/// }
/// </code>
/// </example>
public sealed class DataLoader
{
    private const int MostSpare = 64;

    private readonly Example[][] _rows;
    private readonly LoaderOptions _options;
    private readonly Collator _collator;
    private readonly Example[][][] _parts = [];
    private readonly Example[][] _drawn;
    private readonly SampleDraw[] _draws;
    private const int MostRows = 1 << 20;

    private readonly List<Batch> _spare = [];
    private DataPosition _position;
    private (int Epoch, int[] Rows) _order = (-1, []);

    /// <summary>Creates a loader at the first batch of the first epoch, and packs the samples if the options say so.</summary>
    public DataLoader(IReadOnlyList<Example> samples, LoaderOptions options)
    {
        Given.Items(samples);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfZero(samples.Count);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PackInto ?? 1, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.BatchSize, MostRows);
        if (samples.FirstOrDefault(s => s.Ids is null || s.Labels is null || s.Ids.Length != s.Labels.Length) is { } bad)
        {
            throw new ArgumentException($"an example has {bad.Ids?.Length ?? 0} token ids and {bad.Labels?.Length ?? 0} labels, but each "
                + $"token needs one; mark those that are not learned with {Example.Masked}", nameof(samples));
        }
        if (options.PackInto is not null && samples.Any(s => s.ClassLabel >= 0))
        {
            throw new BadInputException("packing cannot be used for classification, where each row has one class; leave packing out.");
        }
        if (options.PackInto is not null && (samples.Any(s => s.LabelsInPlace || s.Score is not null || s.ClassFlags is not null
            || s.Span is not null || s.TargetIds is not null || s.Positive is not null || s.Pixels is not null || s.Sound is not null
            || s.Boxes is not null)))
        {
            throw new BadInputException("packing is for causal language models only, whose attention ends at a sample; leave packing out.");
        }

        _options = options;
        _collator = new Collator(options.PadId, options.PadToMultipleOf);
        _rows = options.PackInto is int length
            ? [.. Packing.Pack([.. samples.Select(s => s.Ids.Length)], length).Select(row => row.Select(i => samples[i]).ToArray())]
            : [.. samples.Select(s => new[] { s })];
        if (samples[0].Positive is not null)
        {
            _parts = [_rows, PartOf(samples, sample => sample.Positive!),
                .. samples[0].Negative is null ? Array.Empty<Example[][]>() : [PartOf(samples, sample => sample.Negative!)]];
        }
        _drawn = new Example[options.BatchSize * Math.Max(1, _parts.Length)][];
        _draws = new SampleDraw[_drawn.Length];
        HighestTask = samples.Max(s => s.TaskId ?? 0);
        Fingerprint = DataFingerprint.Of(_rows, options);
    }

    /// <summary>Rows of an epoch: samples, or packed rows.</summary>
    public int Rows => _rows.Length;

    /// <summary>Batches of an epoch.</summary>
    public int BatchesPerEpoch => (_rows.Length + _options.BatchSize - 1) / _options.BatchSize;

    /// <summary>A hash of all samples and of the options: two loaders with the same one draw the same batches.</summary>
    internal ulong Fingerprint { get; }

    /// <summary>The highest task of a sample; 0 if no sample has one.</summary>
    internal int HighestTask { get; }

    /// <summary>The next batch to draw; set it to resume.</summary>
    /// <exception cref="BadInputException">The data have no such batch.</exception>
    internal DataPosition Position
    {
        get => _position;
        set => _position = value.Epoch >= 0 && value.Batch >= 0 && value.Batch < BatchesPerEpoch ? value
            : throw new BadInputException(
            $"the checkpoint stands at batch {value.Batch} of epoch {value.Epoch}, but an epoch of these data has "
                + $"{BatchesPerEpoch} batches; resume with the data and the batch size the run began with.");
    }

    /// <summary>Draws the next batch and advances the position, to the next epoch after the last batch.</summary>
    internal Batch Next()
    {
        var batch = At(_position);
        _position = _position.Batch + 1 < BatchesPerEpoch ? _position with { Batch = _position.Batch + 1 }
            : new DataPosition(_position.Epoch + 1, 0);
        return batch;
    }

    /// <summary>All batches of one epoch; the position does not change.</summary>
    public IEnumerable<Batch> Epoch(int epoch = 0)
    {
        for (int batch = 0; batch < BatchesPerEpoch; batch++)
        {
            yield return At(new DataPosition(epoch, batch));
        }
    }

    private Batch At(DataPosition position)
    {
        if (_order.Epoch != position.Epoch)
        {
            _order = (position.Epoch, Order(position.Epoch));
        }

        int start = position.Batch * _options.BatchSize, count = Math.Min(_options.BatchSize, _rows.Length - start);
        for (int i = 0; i < count; i++)
        {
            _drawn[i] = _rows[_order.Rows[start + i]];
            _draws[i] = new SampleDraw(_options.Seed, position.Epoch, _order.Rows[start + i]);
        }
        for (int part = 1; part < _parts.Length; part++)
        {
            for (int i = 0; i < count; i++)
            {
                _drawn[part * count + i] = _parts[part][_order.Rows[start + i]];
            }
        }

        var rows = _drawn.AsSpan(0, count * Math.Max(1, _parts.Length));
        var batch = TakeSpare(rows.Length, _collator.LengthOf(rows), Collator.TargetLengthOf(rows));
        _collator.Fill(batch, rows, _draws.AsSpan(0, rows.Length));
        batch.Parts = Math.Max(1, _parts.Length);
        if (rows[0][0].Masking is { } masking)
        {
            Mask(batch, rows, masking, position.Epoch, start);
        }
        return batch;
    }

    private void Mask(Batch batch, ReadOnlySpan<Example[]> rows, TokenMasking masking, int epoch, int start)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            int at = i * batch.Length, length = batch.Lengths[i];
            masking.Apply(batch.InputIds.AsSpan(at, length), batch.Labels.AsSpan(at, length), rows[i][0].IsSpecial,
                _options.Seed, epoch, _order.Rows[start + i]);
        }
        batch.KeepLabels();
    }

    private static Example[][] PartOf(IReadOnlyList<Example> samples, Func<Example, Example> part) =>
        [.. samples.Select(sample => new[] { part(sample) })];

    /// <summary>Returns a batch that is no longer used to the pool: the next batch of its shape reuses its memory.</summary>
    internal void Return(Batch batch)
    {
        if (_spare.Count < MostSpare)
        {
            _spare.Add(batch);
        }
    }

    private Batch TakeSpare(int rows, int length, int targetLength)
    {
        for (int i = _spare.Count - 1; i >= 0; i--)
        {
            if (_spare[i].BatchSize == rows && _spare[i].Length == length && _spare[i].TargetLength == targetLength)
            {
                var batch = _spare[i];
                _spare.RemoveAt(i);
                return batch;
            }
        }
        return new Batch(rows, length, targetLength);
    }

    private int[] Order(int epoch) => _options.Shuffle
        ? SeededOrder.Permutation(_rows.Length, _options.Seed, (uint)epoch)
        : [.. Enumerable.Range(0, _rows.Length)];
}

namespace PeftCore.Data;

/// <summary>Draws batches, epoch after epoch. The order of an epoch is a pure function of seed and epoch, so that a resumed run draws the
/// same batches as one that never stopped.</summary>
public sealed class DataLoader
{
    private const int MostSpare = 64;

    private readonly Example[][] _rows;
    private readonly LoaderOptions _options;
    private readonly Collator _collator;
    private readonly Example[][] _drawn;
    private readonly List<Batch> _spare = [];
    private DataPosition _position;
    private (int Epoch, int[] Rows) _order = (-1, []);

    /// <summary>Creates a loader at the first batch of the first epoch, and packs the samples if the options say so.</summary>
    public DataLoader(IReadOnlyList<Example> samples, LoaderOptions options)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfZero(samples.Count);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchSize, 1);
        if (options.PackInto is not null && samples.Any(s => s.ClassLabel >= 0))
        {
            throw new BadInputException("packing cannot be used for classification, where each row has one class; leave packing out.");
        }

        _options = options;
        _drawn = new Example[options.BatchSize][];
        _collator = new Collator(options.PadId, options.PadToMultipleOf);
        _rows = options.PackInto is int length
            ? [.. Packing.Pack([.. samples.Select(s => s.Ids.Length)], length).Select(row => row.Select(i => samples[i]).ToArray())]
            : [.. samples.Select(s => new[] { s })];
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
        }

        var rows = _drawn.AsSpan(0, count);
        var batch = TakeSpare(count, _collator.LengthOf(rows));
        _collator.Fill(batch, rows);
        return batch;
    }

    /// <summary>Returns a batch that is no longer used to the pool: the next batch of its shape reuses its memory.</summary>
    internal void Return(Batch batch)
    {
        if (_spare.Count < MostSpare)
        {
            _spare.Add(batch);
        }
    }

    private Batch TakeSpare(int rows, int length)
    {
        for (int i = _spare.Count - 1; i >= 0; i--)
        {
            if (_spare[i].BatchSize == rows && _spare[i].Length == length)
            {
                var batch = _spare[i];
                _spare.RemoveAt(i);
                return batch;
            }
        }
        return new Batch(rows, length);
    }

    private int[] Order(int epoch) => _options.Shuffle
        ? SeededOrder.Permutation(_rows.Length, _options.Seed, (uint)epoch)
        : [.. Enumerable.Range(0, _rows.Length)];
}

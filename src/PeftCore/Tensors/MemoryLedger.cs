namespace PeftCore.Tensors;

/// <summary>The byte count of one device: what lives now, the most that ever lived at once, and of what kind it was at that moment.
/// Every backend keeps its books here, so a plan made without data and a measured run count alike.</summary>
public sealed class MemoryLedger
{
    private static readonly int Kinds = Enum.GetValues<MemoryKind>().Length;

    private readonly Lock _lock = new();
    private readonly long[] _live = new long[Kinds];
    private readonly long[] _atPeak = new long[Kinds];
    private long _current;
    private long _peak;

    /// <summary>Bytes alive now.</summary>
    public long CurrentBytes { get { lock (_lock) { return _current; } } }

    /// <summary>The most bytes alive at once since the last <see cref="ResetPeak"/>.</summary>
    public long PeakBytes { get { lock (_lock) { return _peak; } } }

    /// <summary>Called after each allocation (positive bytes) and release (negative bytes); null when nobody watches.</summary>
    internal Action<MemoryEvent>? Watcher { get; set; }

    /// <summary>Bytes of one kind alive now.</summary>
    public long Current(MemoryKind kind) { lock (_lock) { return _live[(int)kind]; } }

    /// <summary>Bytes of one kind that were alive when the peak was reached.</summary>
    public long AtPeak(MemoryKind kind) { lock (_lock) { return _atPeak[(int)kind]; } }

    /// <summary>Starts measuring the peak anew from what is alive now.</summary>
    public void ResetPeak()
    {
        lock (_lock)
        {
            _peak = _current;
            _live.CopyTo(_atPeak, 0);
        }
    }

    internal void Add(long bytes, MemoryKind kind)
    {
        bool newPeak = false;
        lock (_lock)
        {
            _live[(int)kind] += bytes;
            _current += bytes;
            if (_current > _peak)
            {
                _peak = _current;
                _live.CopyTo(_atPeak, 0);
                newPeak = true;
            }
        }
        Watcher?.Invoke(new MemoryEvent(bytes, kind, newPeak));
    }

    internal void Move(long bytes, MemoryKind from, MemoryKind to)
    {
        lock (_lock)
        {
            _live[(int)from] -= bytes;
            _live[(int)to] += bytes;
        }
    }
}

internal readonly record struct MemoryEvent(long Bytes, MemoryKind Kind, bool NewPeak);

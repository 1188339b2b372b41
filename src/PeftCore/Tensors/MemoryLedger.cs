using System.Globalization;

namespace PeftCore.Tensors;

/// <summary>The byte count of one device, by kind: the current bytes, and those at the peak of the total. All backends use this class, so a
/// memory plan and a measured run agree.</summary>
public sealed class MemoryLedger
{
    private static readonly int Kinds = Enum.GetValues<MemoryKind>().Length;

    private readonly Lock _lock = new();
    private readonly long[] _live = new long[Kinds];
    private readonly long[] _atPeak = new long[Kinds];
    private long _current;
    private long _peak;

    internal MemoryLedger()
    {
    }

    /// <summary>Bytes allocated now.</summary>
    internal long CurrentBytes { get { lock (_lock) { return _current; } } }

    /// <summary>Peak of the allocated bytes since the last <see cref="ResetPeak"/>.</summary>
    public long PeakBytes { get { lock (_lock) { return _peak; } } }

    /// <summary>Called after each allocation (positive bytes) and release (negative bytes), or null.</summary>
    internal Action<MemoryEvent>? Watcher { get; set; }

    /// <summary>Bytes of one kind allocated now.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not a kind of memory.</exception>
    public long Current(MemoryKind kind)
    {
        if (!Enum.IsDefined(kind))
        {
            throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a kind of memory");
        }
        lock (_lock)
        {
            return _live[(int)kind];
        }
    }

    /// <summary>Bytes of one kind that were allocated when the peak was reached.</summary>
    internal long AtPeak(MemoryKind kind) { lock (_lock) { return _atPeak[(int)kind]; } }

    /// <summary>Bytes allocated now, by <see cref="MemoryKind"/>.</summary>
    internal long[] Live() { lock (_lock) { return [.. _live]; } }

    /// <summary>Resets the peak to the current bytes.</summary>
    public void ResetPeak()
    {
        lock (_lock)
        {
            _peak = _current;
            _live.CopyTo(_atPeak, 0);
        }
    }

    /// <summary>Current and peak bytes with their kinds, on one line.</summary>
    public override string ToString()
    {
        lock (_lock)
        {
            return $"current {Line(_current, _live)}; peak {Line(_peak, _atPeak)}";
        }

        static string Line(long total, long[] bytes)
        {
            var kinds = Enum.GetValues<MemoryKind>().Where(kind => bytes[(int)kind] != 0)
                .Select(kind => string.Create(CultureInfo.InvariantCulture, $"{kind} {bytes[(int)kind]:N0}"));
            return string.Create(CultureInfo.InvariantCulture, $"{total:N0} bytes")
                + (total == 0 ? "" : $" ({string.Join(", ", kinds)})");
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

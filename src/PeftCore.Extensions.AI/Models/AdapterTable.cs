namespace PeftCore.Extensions.AI;

/// <summary>An adapter that serves.</summary>
/// <param name="Attached">Its name in the model.</param>
/// <param name="Directory">Where it was loaded from; null if it was made in memory.</param>
/// <param name="Pooling">The pooling that it was trained with; null if its file names none.</param>
internal sealed record ServedAdapter(string Attached, string? Directory = null, string? Pooling = null);

/// <summary>The adapters that serve under names. A name can be given to another adapter while requests run with the old one: they end with
/// it, and it is released after the last of them.</summary>
/// <param name="release">Frees an adapter that no request uses any more; called at most once for each, without the lock.</param>
internal sealed class AdapterTable(Action<string> release)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _serving = new(StringComparer.Ordinal);

    /// <summary>The names, sorted.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            lock (_lock)
            {
                return [.. _serving.Keys.Order(StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>Gives a name to an adapter of the model; an adapter that had it is released after its last request.</summary>
    public void Put(string name, ServedAdapter adapter)
    {
        Entry? old;
        lock (_lock)
        {
            _serving.TryGetValue(name, out old);
            _serving[name] = new Entry(adapter);
        }
        Retire(old);
    }

    /// <summary>Takes a name away; whether there was an adapter of it.</summary>
    public bool Remove(string name)
    {
        Entry? old;
        lock (_lock)
        {
            _serving.Remove(name, out old);
        }
        Retire(old);
        return old is not null;
    }

    /// <summary>Where the adapter of a name was loaded from; null if there is none, or it was made in memory.</summary>
    public string? DirectoryOf(string name)
    {
        lock (_lock)
        {
            return _serving.GetValueOrDefault(name)?.Adapter.Directory;
        }
    }

    /// <summary>Uses the adapter of a name until the lease is disposed; null if there is none.</summary>
    public AdapterLease? Lease(string name)
    {
        lock (_lock)
        {
            if (!_serving.TryGetValue(name, out var entry))
            {
                return null;
            }
            entry.Uses++;
            return new AdapterLease(entry.Adapter, () => Return(entry));
        }
    }

    private void Retire(Entry? entry)
    {
        if (entry is null)
        {
            return;
        }
        bool isFree;
        lock (_lock)
        {
            entry.IsRetired = true;
            isFree = entry.Uses == 0;
        }
        if (isFree)
        {
            release(entry.Adapter.Attached);
        }
    }

    private void Return(Entry entry)
    {
        bool isFree;
        lock (_lock)
        {
            isFree = --entry.Uses == 0 && entry.IsRetired;
        }
        if (isFree)
        {
            release(entry.Adapter.Attached);
        }
    }

    private sealed class Entry(ServedAdapter adapter)
    {
        public ServedAdapter Adapter { get; } = adapter;

        public int Uses { get; set; }

        public bool IsRetired { get; set; }
    }
}

/// <summary>The adapter of a request, which stays attached until the lease is disposed.</summary>
/// <param name="adapter">The adapter; the base for none.</param>
/// <param name="onDispose">Called once.</param>
internal sealed class AdapterLease(ServedAdapter adapter, Action onDispose) : IDisposable
{
    private Action? _onDispose = onDispose;

    /// <summary>The adapter.</summary>
    public ServedAdapter Adapter { get; } = adapter;

    public void Dispose() => Interlocked.Exchange(ref _onDispose, null)?.Invoke();
}

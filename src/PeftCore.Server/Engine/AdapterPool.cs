using PeftCore.Peft;
using PeftCore.Server.Http;

namespace PeftCore.Server.Engine;

/// <summary>The use of an attached adapter by a request; it stays attached until this is disposed.</summary>
internal interface IAdapterLease : IDisposable
{
    /// <summary>Whether texts with this adapter can share steps with others.</summary>
    bool SharesSteps { get; }
}

/// <summary>Attaches adapters to the model when a request first names them, and detaches the one that was not used for the longest time
/// when there are too many. An adapter is never detached while a request uses it.</summary>
/// <param name="model">The model.</param>
/// <param name="directories">Where the adapters are.</param>
/// <param name="most">The most adapters that are attached at once.</param>
/// <param name="log">Receives a sentence for each adapter that is attached or detached.</param>
internal sealed class AdapterPool(PeftModel model, AdapterDirectories directories, int most, Action<string> log) : IDisposable
{
    private readonly Lock _turn = new();
    private readonly SemaphoreSlim _change = new(1);
    private readonly Dictionary<string, Entry> _loaded = new(StringComparer.Ordinal);
    private long _clock;
    private volatile int _loads;
    private volatile Task _loading = Task.CompletedTask;

    /// <summary>Number of adapters that were attached.</summary>
    public int Loads => _loads;

    /// <summary>The attaching of an adapter that is under way, or the last one.</summary>
    public Task Loading => _loading;

    /// <summary>Number of attached adapters.</summary>
    public int LoadedCount
    {
        get
        {
            lock (_turn)
            {
                return _loaded.Count;
            }
        }
    }

    /// <summary>Attaches an adapter if it is not, and keeps it until the result is disposed.</summary>
    /// <param name="name">A name that <see cref="AdapterDirectories.Find"/> knows.</param>
    /// <param name="directory">Its directory.</param>
    /// <param name="cancel">Ends the waiting.</param>
    /// <exception cref="ApiException">The adapter cannot be loaded.</exception>
    public async Task<IAdapterLease> Use(string name, string directory, CancellationToken cancel)
    {
        if (TryUse(name) is { } attached)
        {
            return attached;
        }
        // Changes come one after another, in the order of the requests.
        await _change.WaitAsync(cancel);
        try
        {
            if (TryUse(name) is { } other)
            {
                return other;
            }
            await MakeRoom(cancel);
            await (_loading = Task.Run(() => Load(name, directory), CancellationToken.None));
            return TryUse(name)!;
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>The names of adapters that are known, attached or not.</summary>
    public AdapterDirectories Directories => directories;

    public void Dispose() => _change.Dispose();

    private Lease? TryUse(string name)
    {
        lock (_turn)
        {
            return _loaded.TryGetValue(name, out var entry) && entry.Unused is null ? new Lease(this, Used(entry)) : null;
        }
    }

    private Entry Used(Entry entry)
    {
        entry.Uses++;
        entry.LastUse = ++_clock;
        return entry;
    }

    private async Task MakeRoom(CancellationToken cancel)
    {
        while (true)
        {
            Entry oldest;
            lock (_turn)
            {
                if (_loaded.Count < most)
                {
                    return;
                }
                oldest = _loaded.Values.MinBy(entry => entry.LastUse)!;
                // Requests that name it from now on wait for the change, so that it becomes unused even under load.
                oldest.Unused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                if (oldest.Uses == 0)
                {
                    oldest.Unused.SetResult();
                }
            }
            try
            {
                await oldest.Unused.Task.WaitAsync(cancel);
            }
            catch
            {
                lock (_turn)
                {
                    oldest.Unused = null;
                }
                throw;
            }
            await Task.Run(() => model.Delete(oldest.Name), CancellationToken.None);
            lock (_turn)
            {
                _loaded.Remove(oldest.Name);
            }
            log($"adapter {oldest.Name} is unloaded");
        }
    }

    private void Load(string name, string directory)
    {
        var warnings = new List<string>();
        bool shares;
        try
        {
            model.Load(directory, name, warnings: warnings);
            // Every request names its adapter, and an active one that replaces parameters of the base would stand in the way of others.
            shares = SharesSteps(name);
            model.SetActive([]);
            _loads++;
        }
        catch (Exception e) when (e is BadInputException or IOException or InsufficientMemoryException)
        {
            log($"adapter {name} cannot be loaded: {e.Message}");
            throw new ApiException(500, $"the adapter {name} cannot be loaded; the server's log says why", "model", "adapter_not_loaded");
        }
        warnings.ForEach(log);
        log($"adapter {name} is loaded from {directory}");
        lock (_turn)
        {
            _loaded.Add(name, new Entry(name, shares));
        }
    }

    /// <summary>Whether rows of a batch can have the adapter beside rows with others.</summary>
    private bool SharesSteps(string name)
    {
        try
        {
            return model.WithRowAdapters([name], () => true);
        }
        catch (BadInputException)
        {
            return false;
        }
    }

    private void Release(Entry entry)
    {
        lock (_turn)
        {
            if (--entry.Uses == 0)
            {
                entry.Unused?.TrySetResult();
            }
        }
    }

    private sealed class Entry(string name, bool shares)
    {
        public string Name => name;

        public bool SharesSteps => shares;

        public int Uses { get; set; }

        public long LastUse { get; set; }

        /// <summary>Completed when no request uses the adapter, which is then detached; null if it stays.</summary>
        public TaskCompletionSource? Unused { get; set; }
    }

    private sealed class Lease(AdapterPool pool, Entry entry) : IAdapterLease
    {
        public bool SharesSteps => entry.SharesSteps;

        private bool _released;

        public void Dispose()
        {
            if (!_released)
            {
                _released = true;
                pool.Release(entry);
            }
        }
    }
}

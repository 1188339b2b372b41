using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Copies between host memory and a device beside the device's kernels: on a card page-locked memory and streams of their own, so
/// that a copy engine works while kernels run. A copy begins when the work that the device's stream holds at the call is done; kernels that
/// read the result come after <see cref="Wait"/>. Callers hold the device's pass lock.</summary>
internal abstract class CopyEngine : IDisposable
{
    // Freed blocks by size: page-locked memory is slow to allocate, and a step that repeats needs the same sizes again.
    private readonly Dictionary<long, Stack<nint>> _spare = [];
    private readonly Dictionary<nint, long> _taken = [];
    private readonly List<CopyEvent> _pending = [];

    /// <summary>The accounting of host memory.</summary>
    public MemoryLedger Host { get; } = new();

    /// <summary>Bytes copied to the device so far.</summary>
    public long UploadedBytes { get; private set; }

    /// <summary>Bytes copied to the host so far.</summary>
    public long DownloadedBytes { get; private set; }

    /// <summary>Allocates host memory, contents undefined.</summary>
    /// <exception cref="InsufficientMemoryException">The system has not enough.</exception>
    public HostBlock Allocate(long bytes, MemoryKind kind)
    {
        bytes = Arena.Round(bytes);
        if (!_spare.TryGetValue(bytes, out var spare) || !spare.TryPop(out nint address))
        {
            address = Take(bytes);
            _taken[address] = bytes;
        }
        Host.Add(bytes, kind);
        return new HostBlock(address, bytes, kind);
    }

    /// <summary>Frees host memory. The caller has waited for its copies.</summary>
    public void Free(HostBlock block)
    {
        Host.Add(-block.Bytes, block.Kind);
        if (!_spare.TryGetValue(block.Bytes, out var spare))
        {
            _spare.Add(block.Bytes, spare = []);
        }
        spare.Push(block.Address);
    }

    /// <summary>Queues a copy to the device.</summary>
    /// <param name="from">Host memory.</param>
    /// <param name="to">Device address.</param>
    /// <param name="bytes">Bytes.</param>
    /// <param name="done">Records the end of the copy.</param>
    public void Upload(HostBlock from, nint to, long bytes, CopyEvent done)
    {
        UploadedBytes += bytes;
        Start(from.Address, to, bytes, isUpload: true, done);
        SetPending(done);
    }

    /// <summary>Queues a copy to the host.</summary>
    /// <param name="from">Device address.</param>
    /// <param name="to">Host memory.</param>
    /// <param name="bytes">Bytes.</param>
    /// <param name="done">Records the end of the copy.</param>
    public void Download(nint from, HostBlock to, long bytes, CopyEvent done)
    {
        DownloadedBytes += bytes;
        Start(from, to.Address, bytes, isUpload: false, done);
        SetPending(done);
    }

    /// <summary>Has the kernels that are queued from now on wait for a copy.</summary>
    public void Wait(CopyEvent copy)
    {
        if (copy.IsPending)
        {
            copy.IsPending = false;
            _pending.Remove(copy);
            MakeKernelsWait(copy);
        }
    }

    /// <summary>Has the kernels that are queued from now on wait for all copies, as the beginning and the end of a graph must.</summary>
    public void Join()
    {
        while (_pending.Count > 0)
        {
            Wait(_pending[^1]);
        }
    }

    /// <summary>Counts copies that a replayed graph made.</summary>
    public void AddReplayed(long uploadedBytes) => UploadedBytes += uploadedBytes;

    /// <summary>Measures the link: bytes per second of copies to the device with nothing else running; 0 without a link.</summary>
    /// <param name="from">Host memory.</param>
    /// <param name="to">Device address of as many bytes.</param>
    public virtual double MeasureUploadRate(HostBlock from, nint to) => 0;

    /// <summary>An event to pass to copies, one copy at a time.</summary>
    public virtual CopyEvent NewEvent() => new();

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        foreach (var (address, bytes) in _taken)
        {
            Return(address, bytes);
        }
        _taken.Clear();
        _spare.Clear();
    }

    /// <summary>Allocates host memory.</summary>
    protected abstract nint Take(long bytes);

    /// <summary>Returns host memory to the system.</summary>
    protected abstract void Return(nint address, long bytes);

    /// <summary>Queues a copy after the work that the device's stream holds now.</summary>
    protected abstract void Start(nint from, nint to, long bytes, bool isUpload, CopyEvent done);

    /// <summary>Has the device's stream wait for a copy.</summary>
    protected abstract void MakeKernelsWait(CopyEvent copy);

    private void SetPending(CopyEvent done)
    {
        if (!done.IsPending)
        {
            done.IsPending = true;
            _pending.Add(done);
        }
    }
}

/// <summary>A block of host memory of a <see cref="CopyEngine"/>.</summary>
/// <param name="Address">Address of the first byte; 0 on a device without data.</param>
/// <param name="Bytes">Allocated bytes.</param>
/// <param name="Kind">The accounting category.</param>
internal readonly record struct HostBlock(nint Address, long Bytes, MemoryKind Kind);

/// <summary>The end of a copy.</summary>
internal class CopyEvent : IDisposable
{
    /// <summary>Whether kernels have not waited yet for the copy that was queued last.</summary>
    public bool IsPending { get; set; }

    /// <summary>Frees the event. Nothing waits for it any more.</summary>
    public virtual void Dispose() { }
}

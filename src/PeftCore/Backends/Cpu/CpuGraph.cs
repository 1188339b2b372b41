namespace PeftCore.Backends;

/// <summary>The work of a pass on the processor, as a list of kernel calls with their arguments. To do it again no graph is walked and no
/// memory managed:
/// every buffer lies where the arena gave it the first time, and until the end nobody else gets memory.</summary>
internal sealed class CpuGraph(CpuBackend backend, ulong pass) : ICapturedGraph
{
    private readonly List<CapturedCall> _calls = [];
    private readonly ulong _inUse = backend.Arena.InUse;
    private readonly int _thread = Environment.CurrentManagedThreadId;

    /// <inheritdoc/>
    public bool CanReplay { get; private set; } = true;

    /// <summary>Notes a call of the thread that records.</summary>
    public void Add<TCall>(in TCall call, Action<TCall, CpuBackend> run)
    {
        if (CanReplay && Environment.CurrentManagedThreadId == _thread)
        {
            _calls.Add(new CapturedCall<TCall>(call, run));
        }
    }

    /// <summary>The work cannot be repeated.</summary>
    public void Forbid()
    {
        if (Environment.CurrentManagedThreadId == _thread)
        {
            CanReplay = false;
            Dispose();
        }
    }

    /// <summary>All is noted.</summary>
    public void Close() => _calls.TrimExcess();

    /// <inheritdoc/>
    public bool Replay(ReadOnlySpan<StaticTensor> left, ulong number)
    {
        using var alone = backend.Arena.Hold();
        if (!CanReplay || _inUse != backend.Arena.InUse || !StaticTensor.TryTake(left, backend.Arena))
        {
            return false;
        }
        try
        {
            backend.Repeat(_calls, number - pass);
        }
        catch
        {
            StaticTensor.Free(left);
            throw;
        }
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _calls.Clear();
}

/// <summary>A call that can be made again.</summary>
internal abstract class CapturedCall
{
    public abstract void Run(CpuBackend backend);
}

/// <inheritdoc/>
internal sealed class CapturedCall<TCall>(TCall call, Action<TCall, CpuBackend> run) : CapturedCall
{
    public override void Run(CpuBackend backend) => run(call, backend);
}

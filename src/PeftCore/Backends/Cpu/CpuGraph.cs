namespace PeftCore.Backends;

/// <summary>A captured graph on the processor: the kernel launches of a pass with their arguments. A replay walks no tape and manages no
/// memory: every buffer has the address that the arena gave it during the capture, and other threads cannot allocate until the replay
/// ends.</summary>
internal sealed class CpuGraph(CpuStream stream, Arena arena, ulong pass) : ICapturedGraph
{
    private readonly List<CapturedLaunch> _launches = [];
    private readonly ulong _inUse = arena.InUse;
    private readonly int _thread = Environment.CurrentManagedThreadId;

    /// <inheritdoc/>
    public bool CanReplay { get; private set; } = true;

    /// <summary>Records a launch, if it comes from the thread that captures.</summary>
    public void Add<TArgs>(in TArgs args, Action<TArgs, CpuStream> kernel)
    {
        if (CanReplay && Environment.CurrentManagedThreadId == _thread)
        {
            _launches.Add(new CapturedLaunch<TArgs>(args, kernel));
        }
    }

    /// <summary>Makes the graph unusable, if the call comes from the thread that captures.</summary>
    public void Invalidate()
    {
        if (Environment.CurrentManagedThreadId == _thread)
        {
            CanReplay = false;
            Dispose();
        }
    }

    /// <summary>Ends the capture.</summary>
    public void Close() => _launches.TrimExcess();

    /// <inheritdoc/>
    public bool Replay(ReadOnlySpan<StaticTensor> outputs, ulong number)
    {
        using var _ = arena.LockMemory();
        if (!CanReplay || _inUse != arena.InUse || !StaticTensor.TryTake(outputs, arena))
        {
            return false;
        }
        try
        {
            stream.Replay(_launches, number - pass);
        }
        catch
        {
            StaticTensor.Free(outputs);
            throw;
        }
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _launches.Clear();
}

/// <summary>A kernel launch that can run again.</summary>
internal abstract class CapturedLaunch
{
    public abstract void Run(CpuStream stream);
}

/// <inheritdoc/>
internal sealed class CapturedLaunch<TArgs>(TArgs args, Action<TArgs, CpuStream> kernel) : CapturedLaunch
{
    public override void Run(CpuStream stream) => kernel(args, stream);
}

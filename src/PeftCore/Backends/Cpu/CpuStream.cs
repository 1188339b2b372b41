using System.Diagnostics;
using PeftCore.Kernels;

namespace PeftCore.Backends;

/// <summary>Runs kernels of the processor one after the other on a pool of threads. As on a CUDA stream, launches can be timed for a
/// profile and captured as a graph; unlike there, a launch has finished when it returns.</summary>
internal sealed class CpuStream(WorkerPool pool) : IKernelProfiler
{
    // Of this thread: others may launch kernels while it replays a graph.
    [ThreadStatic]
    private static ulong _replayedPasses;

    private KernelProfile? _profile;
    private CpuGraph? _graph;

    // Kernels, copies and replays that use memory now.
    private int _running;
    private volatile bool _isClosed;

    /// <summary>The threads that kernels run on.</summary>
    public WorkerPool Pool => pool;

    /// <summary>Bytes of a tensor that one kernel call may read or write; larger tensors are split. A span of bytes cannot be
    /// longer.</summary>
    public long MaxSpanBytes { get; set; } = int.MaxValue;

    /// <summary>Parts of the elements of tensors of one size, for a kernel that treats elements alone. A part starts at a multiple of
    /// four, as random numbers need.</summary>
    public Parts PartsOf(in CpuTensorView view) => new(view.Count, Math.Max(4, MaxSpanBytes / sizeof(float) / 4 * 4));

    /// <summary>Parts of the elements, each of whole blocks of elements that share a scale; the last may end within one.</summary>
    public Parts PartsOf(in CpuTensorView view, int block) =>
        new(view.Count, Math.Max(block, MaxSpanBytes / sizeof(float) / block * block));

    /// <summary>Parts of the rows of a matrix, for a kernel that treats rows alone.</summary>
    public Parts RowPartsOf(in CpuTensorView view) =>
        new(view.Rows, Math.Max(1, MaxSpanBytes / sizeof(float) / Math.Max(1, view.Columns)));

    /// <summary>Passes between the captured pass and the one that is replayed now, which is added to the stream numbers of random
    /// generators; 0 outside a replay.</summary>
    public ulong ReplayedPasses => _replayedPasses;

    public bool IsProfiling => _profile is not null;

    /// <summary>Whether a capture can begin now. Replayed kernels are not timed, so none begins during a profile.</summary>
    public bool CanCapture => _profile is null && _graph is null;

    /// <summary>Runs a kernel now, and records it if a capture is under way.</summary>
    /// <param name="cost">Name and cost for the profile.</param>
    /// <param name="args">The kernel's arguments. They refer to tensors by address only, because a graph must not keep them alive.</param>
    /// <param name="kernel">Static, so that a launch allocates no closure.</param>
    public void Launch<TArgs>(in LaunchCost cost, in TArgs args, Action<TArgs, CpuStream> kernel)
    {
        using (Use())
        {
            if (_profile is { } profile)
            {
                long start = Stopwatch.GetTimestamp();
                kernel(args, this);
                profile.Add(cost.Kernel, Stopwatch.GetElapsedTime(start).TotalMilliseconds, cost.Work);
            }
            else
            {
                kernel(args, this);
            }
        }
        _graph?.Add(args, kernel);
    }

    /// <summary>Keeps the device's memory until the result is disposed: a thread that closes the device waits.</summary>
    /// <exception cref="ObjectDisposedException">The device is closed.</exception>
    public Usage Use()
    {
        Interlocked.Increment(ref _running);
        if (_isClosed)
        {
            Interlocked.Decrement(ref _running);
            throw new ObjectDisposedException(nameof(CpuBackend), "this CpuBackend was disposed while an op was about to run on it; "
                + "dispose a backend after all that uses its tensors");
        }
        return new Usage(this);
    }

    /// <summary>Refuses new work and waits for the end of what other threads run.</summary>
    public void Close()
    {
        _isClosed = true;
        SpinWait spin = default;
        while (Volatile.Read(ref _running) != 0)
        {
            spin.SpinOnce();
        }
    }

    /// <summary>Runs a reduction whose result the host reads. It cannot be replayed, since a replay returns nothing to the host.</summary>
    public TResult LaunchForHost<TArgs, TResult>(in LaunchCost cost, in TArgs args, Func<TArgs, CpuStream, TResult> kernel)
    {
        BreakCapture();
        using var use = Use();
        long start = Stopwatch.GetTimestamp();
        var result = kernel(args, this);
        _profile?.Add(cost.Kernel, Stopwatch.GetElapsedTime(start).TotalMilliseconds, cost.Work);
        return result;
    }

    /// <summary>Invalidates the graph that is being captured: the host reads or changes data now, and a replay would not.</summary>
    public void BreakCapture() => _graph?.Invalidate();

    /// <summary>Runs work and records its launches, unless another thread captures: the graph is unusable then.</summary>
    public void Capture(CpuGraph graph, Action work)
    {
        if (Interlocked.CompareExchange(ref _graph, graph, null) is not null)
        {
            graph.Invalidate();
            work();
            return;
        }
        try
        {
            work();
        }
        finally
        {
            _graph = null;
        }
    }

    /// <summary>Runs captured launches as part of a later pass.</summary>
    public void Replay(List<CapturedLaunch> launches, ulong passesLater)
    {
        using var use = Use();
        _replayedPasses = passesLater;
        try
        {
            foreach (var launch in launches)
            {
                launch.Run(this);
            }
        }
        finally
        {
            _replayedPasses = 0;
        }
    }

    /// <summary>The time during which work uses the device's memory.</summary>
    public readonly ref struct Usage(CpuStream stream)
    {
        public void Dispose() => Interlocked.Decrement(ref stream._running);
    }

    void IKernelProfiler.Start() => _profile ??= new KernelProfile { PeakFlops = FmaPeak.Measure(pool) };

    string IKernelProfiler.Stop()
    {
        var profile = _profile ?? throw new InvalidOperationException("no profile was started");
        _profile = null;
        return profile.ToString();
    }
}

using System.Diagnostics;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>All work goes through one place, where it can be timed, and recorded to be done again.</summary>
public sealed partial class CpuBackend : IGraphCapture, IKernelProfiler
{
    private KernelProfile? _profile;
    private CpuGraph? _recording;
    private ulong _passesLater;

    /// <inheritdoc/>
    bool IGraphCapture.CanCapture => _replays && _profile is null && _recording is null;

    /// <inheritdoc/>
    int IGraphCapture.MaxGraphs => 64; // Each is a list of some hundred calls.

    /// <inheritdoc/>
    Arena IGraphCapture.Arena => _arena;

    internal Arena Arena => _arena;

    /// <inheritdoc/>
    ICapturedGraph IGraphCapture.Capture(Action work, ulong pass)
    {
        var recording = _recording = new CpuGraph(this, pass);
        try
        {
            work();
        }
        catch
        {
            recording.Dispose();
            throw;
        }
        finally
        {
            _recording = null;
        }
        recording.Close();
        return recording;
    }

    /// <summary>Does recorded work once more, as part of another pass.</summary>
    internal void Repeat(List<CapturedCall> calls, ulong passesLater)
    {
        _passesLater = passesLater;
        try
        {
            foreach (var call in calls)
            {
                call.Run(this);
            }
        }
        finally
        {
            _passesLater = 0;
        }
    }

    /// <inheritdoc/>
    public void StartProfile() => _profile ??= new KernelProfile { PeakFlops = FmaPeak.Measure(_pool) };

    /// <inheritdoc/>
    public string StopProfile()
    {
        var profile = _profile ?? throw new InvalidOperationException("no profile was started");
        _profile = null;
        return profile.ToString();
    }

    /// <summary>Does a piece of work.</summary>
    /// <param name="cost">What it is called and must move and compute at least.</param>
    /// <param name="call">All that it needs. It may refer to memory by address only.</param>
    /// <param name="run">Does it; refers to nothing but its arguments, so that it costs no memory to ask.</param>
    private void Launch<TCall>(in LaunchCost cost, in TCall call, Action<TCall, CpuBackend> run)
    {
        if (_profile is { } profile)
        {
            long start = Stopwatch.GetTimestamp();
            run(call, this);
            profile.Add(cost.Kernel, Stopwatch.GetElapsedTime(start).TotalMilliseconds, cost.Work);
        }
        else
        {
            run(call, this);
        }
        _recording?.Add(call, run);
    }

    /// <summary>The host sees or changes numbers now, which work that is done again would not tell it.</summary>
    private void BreakCapture() => _recording?.Forbid();

    /// <summary>What a piece of work is called, and what it must do at least.</summary>
    private readonly record struct LaunchCost(string Kernel, Work Work)
    {
        /// <summary>Work that moves these tensors.</summary>
        public static LaunchCost Of(string kernel, params ReadOnlySpan<Tensor?> moved)
        {
            double bytes = 0;
            foreach (var tensor in moved)
            {
                bytes += tensor?.ByteCount ?? 0;
            }
            return new LaunchCost(kernel, new Work(0, bytes));
        }
    }
}

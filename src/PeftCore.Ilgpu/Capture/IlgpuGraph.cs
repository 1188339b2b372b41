using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>A captured pass. Its launches hold addresses of the arena, so that it can be replayed only while the same blocks are in
/// use.</summary>
internal sealed class IlgpuGraph(IlgpuBackend backend, IStreamCapture capture, Bf16WeightCache bf16Weights, PassCounter passes,
    ulong pass) : ICapturedGraph
{
    private ICapturedLaunches? _captured;
    private GraphMemory _memory;
    private bool _open, _readsPasses;

    /// <inheritdoc/>
    public bool CanReplay { get; private set; } = true;

    /// <summary>Runs the work and captures it.</summary>
    public void Run(Action work)
    {
        _memory = backend.MemoryNow;
        capture.Begin();
        _open = true;
        try
        {
            work();
        }
        catch
        {
            if (_open)
            {
                CanReplay = false;
                Close();
            }
            throw;
        }
        Close();
    }

    /// <summary>Ends the capture because the host reads or writes device memory now: the captured part runs, and the rest of the work
    /// continues eagerly.</summary>
    public void Interrupt()
    {
        CanReplay = false;
        Close();
    }

    /// <summary>The counter that a captured launch is about to read.</summary>
    public PassCounter ReadPasses()
    {
        _readsPasses = true;
        return passes;
    }

    /// <inheritdoc/>
    public bool Replay(ReadOnlySpan<StaticTensor> left, ulong number)
    {
        if (_captured is null || _memory != backend.MemoryNow || !StaticTensor.TryTake(left, backend.Arena))
        {
            return false;
        }
        if (_readsPasses)
        {
            passes.Set(number - pass);
        }
        bf16Weights.Refresh(); // The launches read these copies, and do not refresh them.
        _captured.Run();
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_captured is not null)
        {
            backend.Synchronize();
            _captured.Dispose();
            _captured = null;
        }
    }

    private void Close()
    {
        if (_open)
        {
            _open = false;
            backend.Copies.Join(); // A stream that took part in a capture must have been waited for at its end.
            _captured = capture.End();
            if (!CanReplay)
            {
                Dispose();
            }
        }
    }
}

/// <summary>Which memory was in use at a capture.</summary>
/// <param name="InUse">Which blocks of the arena (<see cref="Arena.InUse"/>).</param>
/// <param name="OutsideArena">Bytes beside the arena that launches hold addresses of.</param>
/// <param name="Tables">Which tables beside the arena (<see cref="MultiTensorApply.Version"/>).</param>
internal readonly record struct GraphMemory(ulong InUse, long OutsideArena, long Tables);

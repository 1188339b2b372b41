using PeftCore.Backends;

namespace PeftCore.Ilgpu;

/// <summary>Recorded work. The addresses in it are those the arena gave: it may run only while the same blocks are in use.</summary>
internal sealed class Recording(IlgpuBackend backend) : ICapturedGraph
{
    private readonly IWorkCapture _capture = backend.Device.Capture;
    private ICapturedWork? _captured;
    private RecordedMemory _memory;
    private bool _open;

    /// <inheritdoc/>
    public bool CanReplay { get; private set; } = true;

    /// <summary>Does and records the work.</summary>
    public void Run(Action work)
    {
        _memory = backend.MemoryNow;
        _capture.Begin();
        _open = true;
        try
        {
            work();
        }
        catch
        {
            if (_open)
            {
                _open = false;
                _captured = _capture.End();
                Dispose();
            }
            throw;
        }
        Close();
    }

    /// <summary>The host has to see or change something now: what was recorded so far is done, and the rest goes on as ever.</summary>
    public void Interrupt()
    {
        Forbid();
        Close();
    }

    /// <summary>The work depends on something that will have changed.</summary>
    public void Forbid() => CanReplay = false;

    /// <inheritdoc/>
    public bool Replay(ReadOnlySpan<StaticTensor> left, ulong pass)
    {
        if (_captured is null || _memory != backend.MemoryNow || !StaticTensor.TryTake(left, backend.Arena))
        {
            return false;
        }
        backend.RefreshBf16Weights();
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
            _captured = _capture.End();
            if (!CanReplay)
            {
                Dispose();
            }
        }
    }
}

/// <summary>Blocks in use, and the size of the memory beside the arena that kernels know.</summary>
internal readonly record struct RecordedMemory(ulong InUse, long Beside);

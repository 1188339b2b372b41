using PeftCore.Backends;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend : IGraphCapture
{
    private Recording? _recording;

    /// <inheritdoc/>
    public bool CanCapture => _options.Replays && _device.Timer is null && _recording is null;

    /// <inheritdoc/>
    public int MaxGraphs => 8; // A graph takes memory on the card that no plan knows of.

    /// <inheritdoc/>
    public Arena Arena => _arena;

    internal RecordedMemory MemoryNow => new(_arena.InUse, _device.WgmmaGemms?.TakenBytes ?? 0);

    /// <inheritdoc/>
    public ICapturedGraph Capture(Action work, ulong pass)
    {
        var recording = _recording = new Recording(this);
        _device.Memory.BreakCapture = recording.Interrupt;
        try
        {
            recording.Run(work);
        }
        finally
        {
            _device.Memory.BreakCapture = null;
            _recording = null;
        }
        return recording;
    }

    /// <summary>Brings rounded copies of parameters up to date, for work that reads them without asking.</summary>
    internal void RefreshBf16Weights() => _bf16Weights.Refresh();
}

using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend : IReplaysWork
{
    private Recording? _recording;

    /// <inheritdoc/>
    public bool CanRecord => _options.Replays && _device.Timer is null && _recording is null;

    internal RecordedMemory MemoryNow => new(_arena.InUse, _device.Products?.PartBytes ?? 0);

    /// <inheritdoc/>
    public IRecording Record(Action work)
    {
        var recording = _recording = new Recording(this);
        _device.Memory.HostTurn = recording.Interrupt;
        try
        {
            recording.Run(work);
        }
        finally
        {
            _device.Memory.HostTurn = null;
            _recording = null;
        }
        return recording;
    }

    /// <summary>Tensors at places that are free; null if one is not, and then none is taken.</summary>
    internal Tensor[]? TakeAgain(ReadOnlySpan<Place> places)
    {
        var tensors = new Tensor[places.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            var place = places[i];
            if (!_arena.TryAllocateAt(place.Address, place.Bytes))
            {
                for (int taken = 0; taken < i; taken++)
                {
                    tensors[taken].Dispose();
                }
                return null;
            }
            tensors[i] = Tensor.Owning(new Storage(this, place.Address, place.Bytes, Arena.Round(place.Bytes), place.Kind), place.Shape, place.DType).Keep();
        }
        return tensors;
    }

    /// <summary>Brings rounded copies of parameters up to date, for work that reads them without asking.</summary>
    internal void RefreshRounded() => _rounded.Refresh();
}

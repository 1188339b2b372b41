using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>The input of a recomputed block, kept in host memory between forward and backward. The copy to the host runs beside the kernels
/// of the next block, and the copy back beside the backward pass of the block after this one: each checkpoint fetches the one before it
/// ahead. The device holds two inputs at a time, whatever the number of blocks.</summary>
internal sealed class OffloadedCheckpoint : IDisposable
{
    // The newest one of this thread, which runs one pass at a time.
    [ThreadStatic]
    private static OffloadedCheckpoint? _last;

    private readonly CopyEngine _copies;
    private readonly Backend _backend;
    private readonly CopyEvent _copied;
    private readonly Shape _shape;
    private readonly DType _dtype;
    private readonly HostBlock _host;
    private OffloadedCheckpoint? _previous;

    // On the device: the input until its copy has ended, and again from the beginning of the copy back.
    private Tensor? _onDevice;
    private bool _disposed;

    private OffloadedCheckpoint(Tensor x, CopyEngine copies)
    {
        (_copies, _backend, _shape, _dtype) = (copies, x.Backend, x.Shape, x.DType);
        _copied = copies.NewEvent();
        _host = copies.Allocate(x.ByteCount, MemoryKind.Activation);
        _onDevice = x.Unscoped();
    }

    /// <summary>Begins the copy of a tensor to the host.</summary>
    public static OffloadedCheckpoint Of(Tensor x, CopyEngine copies)
    {
        var checkpoint = new OffloadedCheckpoint(x, copies);
        if (_last is { _disposed: false } last && last._copies == copies)
        {
            last.FreeOnDevice(); // Its copy ran beside the block between the two.
            checkpoint._previous = last;
        }
        _last = checkpoint;
        copies.Download(x.Storage.Address + (nint)x.ByteOffset, checkpoint._host, x.ByteCount, checkpoint._copied);
        return checkpoint;
    }

    /// <summary>The tensor on the device; this object owns it. The copy of the checkpoint before begins.</summary>
    public Tensor Fetch()
    {
        Prefetch();
        _copies.Wait(_copied);
        _previous?.Prefetch();
        return _onDevice!;
    }

    /// <summary>Frees the copies.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        FreeOnDevice();
        _copies.Free(_host);
        _copied.Dispose();
        _previous = null;
        if (_last == this)
        {
            _last = null;
        }
    }

    private void Prefetch()
    {
        if (_onDevice is null && !_disposed)
        {
            _onDevice = _backend.NewTensor(_shape, _dtype).Keep();
            _copies.Upload(_host, _onDevice.Storage.Address, _onDevice.ByteCount, _copied);
        }
    }

    private void FreeOnDevice()
    {
        _copies.Wait(_copied); // Kernels that get the memory next come after the copy.
        _onDevice?.Dispose();
        _onDevice = null;
    }
}

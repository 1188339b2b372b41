using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>A tensor of an optimizer's state, zeros at first, which steps change. It lies on the device. A paged one lies in host memory,
/// as in bitsandbytes' paged optimizers, and is on the device between <see cref="Prefetch"/> and <see cref="Free"/> only; its copies run
/// beside kernels.</summary>
internal sealed class Moment : IDisposable
{
    private readonly Backend _backend;
    private readonly CopyEngine? _copies;
    private readonly CopyEvent? _copied;
    private readonly HostBlock _host;
    private Tensor? _onDevice;

    /// <summary>Allocates a moment.</summary>
    /// <param name="name">Its name in torch or bitsandbytes, such as "exp_avg".</param>
    /// <param name="backend">The device.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="dtype">Its dtype.</param>
    /// <param name="copies">Where it is paged to; null for a moment that stays on the device.</param>
    public Moment(string name, Backend backend, Shape shape, DType dtype, CopyEngine? copies)
    {
        (Name, Shape, DType, _backend, _copies) = (name, shape, dtype, backend, copies);
        _onDevice = backend.Zeros(shape, dtype, MemoryKind.Optimizer).Keep();
        if (copies is not null)
        {
            _copied = copies.NewEvent();
            _host = copies.Allocate(_onDevice.ByteCount, MemoryKind.Optimizer);
            Return();
            Free();
        }
    }

    public string Name { get; }

    public Shape Shape { get; }

    public DType DType { get; }

    /// <summary>Bytes on the device, or in host memory while it is paged out.</summary>
    public long Bytes => Arena.Round(Shape.Count * DType.Size);

    /// <summary>The tensor on the device.</summary>
    /// <exception cref="InvalidOperationException">The moment is paged out.</exception>
    public Tensor Value => _onDevice ?? throw new InvalidOperationException($"{Name} is paged out; fetch it first");

    /// <summary>Has the moment on the device until the result is disposed, for the host to read or write.</summary>
    public Hold Resident()
    {
        Prefetch();
        Wait();
        return new Hold(this);
    }

    /// <summary>Begins the copy to the device; kernels that read it come after <see cref="Wait"/>.</summary>
    public void Prefetch()
    {
        if (_onDevice is null)
        {
            using var turn = _backend.EnterPass();
            _onDevice = _backend.NewTensor(Shape, DType, MemoryKind.Optimizer).Keep();
            _copies!.Upload(_host, _onDevice.Storage.Address, _onDevice.ByteCount, _copied!);
        }
    }

    /// <summary>Has the kernels that are queued from now on wait for the copy.</summary>
    public void Wait()
    {
        if (_copies is not null)
        {
            using var turn = _backend.EnterPass();
            _copies.Wait(_copied!);
        }
    }

    /// <summary>Begins the copy to the host, after the kernels that are queued.</summary>
    public void Return()
    {
        if (_copies is not null)
        {
            using var turn = _backend.EnterPass();
            _copies.Download(Value.Storage.Address, _host, Value.ByteCount, _copied!);
        }
    }

    /// <summary>Frees the memory on the device; kernels that get it next come after the copy.</summary>
    public void Free()
    {
        if (_copies is not null && _onDevice is not null)
        {
            Wait();
            _onDevice.Dispose();
            _onDevice = null;
        }
    }

    public void Dispose()
    {
        Free();
        _onDevice?.Dispose();
        if (_copies is not null)
        {
            _copies.Free(_host);
            _copied!.Dispose();
        }
    }

    /// <summary>A moment that is on the device.</summary>
    internal readonly struct Hold(Moment moment) : IDisposable
    {
        public void Dispose()
        {
            moment.Return();
            moment.Free();
        }
    }
}

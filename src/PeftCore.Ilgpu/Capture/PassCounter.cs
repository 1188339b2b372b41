using System.Runtime.InteropServices;
using ILGPU;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu;

/// <summary>How many passes after the captured one a graph is launched as: a number in device memory that captured kernels with dropout add
/// to their random stream, because the arguments of a captured launch do not change. All graphs of a device share it.</summary>
internal sealed class PassCounter(GpuDevice device) : IDisposable
{
    private nint _address;

    /// <summary>The number, for a kernel.</summary>
    public ArrayView<ulong> View => device.Space.View<ulong>(_address, 1);

    /// <summary>The number in two halves, for a kernel of attention on Hopper.</summary>
    public RawView Halves => new() { Address = _address, Length = 2 };

    /// <summary>Sets the number for the work that is queued next. It must not be called during a capture.</summary>
    public void Set(ulong passes)
    {
        if (_address == 0)
        {
            _address = device.Memory.Take(sizeof(ulong));
        }
        device.Memory.Upload(MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in passes)), _address);
    }

    public void Dispose()
    {
        if (_address != 0)
        {
            device.Memory.Return(_address, sizeof(ulong));
            _address = 0;
        }
    }
}

using System.Runtime.InteropServices;
using ILGPU;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.Quantized;

namespace PeftCore.Ilgpu;

/// <summary>The levels of four-bit codes and the dynamic map in device memory, uploaded before the first use.</summary>
internal sealed class QuantizedTables(GpuDevice device) : IDisposable
{
    private const long Bytes = LevelTable.Size * sizeof(float);

    private nint _address;

    /// <summary>Address of the levels of a kind, after which its bounds and codes follow.</summary>
    public nint LevelsOf(QuantizedKind kind) => Address + (LevelTable.Of(kind) * sizeof(float));

    /// <summary>Address of the dynamic map.</summary>
    public nint Map => Address + (LevelTable.Map * sizeof(float));

    /// <summary>Levels, bounds and codes of a kind.</summary>
    public ArrayView<float> ViewOf(QuantizedKind kind) => device.Space.View<float>(LevelsOf(kind), LevelTable.KindSize);

    /// <summary>The dynamic map.</summary>
    public ArrayView<float> MapView => device.Space.View<float>(Map, LevelTable.MapSize);

    private nint Address
    {
        get
        {
            if (_address == 0)
            {
                _address = device.Memory.Take(Bytes);
                device.Memory.Upload(MemoryMarshal.AsBytes<float>(LevelTable.Make()), _address);
            }
            return _address;
        }
    }

    public void Dispose()
    {
        if (_address != 0)
        {
            device.Memory.Return(_address, Bytes);
            _address = 0;
        }
    }
}

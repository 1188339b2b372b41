using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>The last operands that were rounded to BF16, for the products that follow: q, k and v read one x, and a LoRA layer reads each
/// gradient three times. A copy is forgotten as soon as anything may have written to its original, or freed it.</summary>
internal sealed class RoundedOperands(IlgpuBackend backend)
{
    private const int Most = 3;

    private readonly Lock _lock = new();
    private readonly List<(nint From, long Bytes, Storage Copy)> _copies = [];

    /// <summary>Address of the tensor's numbers in BF16.</summary>
    public nint Of(Tensor tensor, nint address)
    {
        lock (_lock)
        {
            int known = _copies.FindIndex(copy => copy.From == address && copy.Bytes == tensor.ByteCount);
            var found = known >= 0 ? _copies[known] : (address, tensor.ByteCount, Round(tensor, address));
            if (known >= 0)
            {
                _copies.RemoveAt(known);
            }
            _copies.Add(found); // The latest stands last.
            return found.Item3.Address;
        }
    }

    /// <summary>Lets go of copies beyond the few that are kept. Only after the products that read them are queued.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            while (_copies.Count > Most)
            {
                Drop(0);
            }
        }
    }

    /// <summary>Anything may have been written.</summary>
    public void Forget() => Forget(0, long.MaxValue);

    /// <summary>These bytes are written or freed.</summary>
    public void Forget(nint address, long bytes)
    {
        lock (_lock)
        {
            for (int i = _copies.Count - 1; i >= 0; i--)
            {
                if (_copies[i].From - address < bytes && address - _copies[i].From < _copies[i].Bytes)
                {
                    Drop(i);
                }
            }
        }
    }

    private void Drop(int index)
    {
        var copy = _copies[index].Copy;
        _copies.RemoveAt(index);
        copy.Release();
    }

    private Storage Round(Tensor tensor, nint address)
    {
        var copy = backend.Allocate(tensor.Count * sizeof(ushort), MemoryKind.Workspace);
        var device = backend.Device;
        device.ForEach<NarrowFour, NarrowFourArgs>(tensor.Count / 4, new NarrowFourArgs
        {
            Wide = device.Space.View<Float4>(address, tensor.Count / 4),
            Stored = device.Space.View<ulong>(copy.Address, tensor.Count / 4),
        });
        return copy;
    }
}

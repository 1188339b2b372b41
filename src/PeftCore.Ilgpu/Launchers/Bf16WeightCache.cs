using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>BF16 copies of F32 operands for the tensor cores. The copy of a parameter is kept until the parameter is written or freed:
/// a LoRA step reads each factor several times. What is computed anew for each product is rounded for that product alone.</summary>
internal sealed class Bf16WeightCache(IlgpuBackend backend)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<nint, Copy> _copies = [];
    private readonly List<Tensor> _temporary = [];

    private sealed record Copy(Storage Owner, Tensor Bf16)
    {
        public bool Stale { get; set; }
    }

    /// <summary>Address of the F32 tensor's numbers in BF16, valid until <see cref="Trim"/>.</summary>
    public nint Of(Tensor tensor)
    {
        if (tensor.Storage.Kind is not (MemoryKind.Trainable or MemoryKind.Frozen))
        {
            var once = backend.NewTensor(tensor.Shape, DType.BF16, MemoryKind.Workspace).Keep();
            backend.Cast(tensor, once);
            lock (_lock)
            {
                _temporary.Add(once);
            }
            return once.Storage.Address;
        }
        lock (_lock)
        {
            nint address = tensor.Storage.Address + (nint)tensor.ByteOffset;
            if (_copies.TryGetValue(address, out var known) && known.Bf16.Count != tensor.Count)
            {
                _copies.Remove(address);
                known.Bf16.Dispose();
                known = null;
            }
            if (known is null)
            {
                known = new Copy(tensor.Storage, backend.NewTensor(tensor.Shape, DType.BF16, MemoryKind.Workspace).Keep()) { Stale = true };
                _copies.Add(address, known);
            }
            if (known.Stale)
            {
                backend.Cast(tensor, known.Bf16);
                known.Stale = false;
            }
            return known.Bf16.Storage.Address;
        }
    }

    /// <summary>Address of the numbers in BF16 with every row on 16 bytes: a copy for one product, of a tensor whose rows are not
    /// aligned.</summary>
    public nint Padded(Tensor tensor)
    {
        var once = backend.NewTensor([tensor.Shape.Rows, GemmSchedule.Pitch(tensor.Shape.Columns)], DType.BF16, MemoryKind.Workspace)
            .Keep();
        backend.PadRows(tensor, once);
        lock (_lock)
        {
            _temporary.Add(once);
        }
        return once.Storage.Address;
    }

    /// <summary>Lets go of copies that were made for one product. Only after that product is queued.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            _temporary.ForEach(copy => copy.Dispose());
            _temporary.Clear();
        }
    }

    /// <summary>The kept copy of a parameter for whoever writes the parameter to bring up to date as well; null if there is none.</summary>
    public Tensor? ToUpdate(Tensor parameter)
    {
        lock (_lock)
        {
            if (!_copies.TryGetValue(parameter.Storage.Address + (nint)parameter.ByteOffset, out var copy)
                || copy.Bf16.Count != parameter.Count)
            {
                return null;
            }
            copy.Stale = false;
            return copy.Bf16;
        }
    }

    /// <summary>Brings every kept copy up to date.</summary>
    public void Refresh()
    {
        lock (_lock)
        {
            foreach (var (address, copy) in _copies.Where(entry => entry.Value.Stale))
            {
                backend.Round(address, copy.Bf16);
                copy.Stale = false;
            }
        }
    }

    /// <summary>A tensor was written: its copies are out of date.</summary>
    public void Written(Tensor tensor)
    {
        if (tensor.Storage.Kind is MemoryKind.Trainable or MemoryKind.Frozen)
        {
            lock (_lock)
            {
                foreach (var copy in _copies.Values)
                {
                    copy.Stale |= ReferenceEquals(copy.Owner, tensor.Storage);
                }
            }
        }
    }

    /// <summary>A storage is freed.</summary>
    public void Forget(Storage storage)
    {
        if (storage.Kind is MemoryKind.Trainable or MemoryKind.Frozen)
        {
            lock (_lock)
            {
                foreach (var (address, copy) in _copies.Where(entry => ReferenceEquals(entry.Value.Owner, storage)).ToList())
                {
                    _copies.Remove(address);
                    copy.Bf16.Dispose();
                }
            }
        }
    }

    /// <summary>Lets go of all copies.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            foreach (var copy in _copies.Values)
            {
                copy.Bf16.Dispose();
            }
            _copies.Clear();
        }
    }
}

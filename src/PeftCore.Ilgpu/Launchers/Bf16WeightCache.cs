using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>BF16 copies of F32 operands for the tensor cores. The copy of a parameter is cached until the parameter is written or freed,
/// because a LoRA step reads each factor several times. The copy of any other tensor is used for one product only.</summary>
internal sealed class Bf16WeightCache(LaunchContext gpu)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<nint, Copy> _copies = [];
    private readonly List<Tensor> _temporary = [];

    private sealed record Copy(Storage Owner, Tensor Bf16)
    {
        public bool Stale { get; set; }
    }

    /// <summary>Address of a matrix for tensor cores: BF16, with rows that start at multiples of 16 bytes. It is the tensor's own address
    /// if it has this form, else that of a copy.</summary>
    public nint Operand(Tensor tensor) =>
        !HasAlignedRows(tensor) ? Padded(tensor) : tensor.DType == DType.F32 ? Of(tensor) : LaunchContext.Address(tensor);

    /// <summary>Whether all rows start at multiples of 16 bytes in BF16.</summary>
    public static bool HasAlignedRows(Tensor tensor) =>
        tensor.Shape.Columns % GemmSchedule.Chunk == 0 && LaunchContext.Address(tensor) % 16 == 0;

    /// <summary>Address of a BF16 copy of the F32 tensor, valid until <see cref="Trim"/>.</summary>
    private nint Of(Tensor tensor)
    {
        if (tensor.Storage.Kind is not (MemoryKind.Trainable or MemoryKind.Frozen))
        {
            var once = gpu.Workspace(tensor.Shape, DType.BF16).Keep();
            gpu.Casts.Cast(tensor, once);
            lock (_lock)
            {
                _temporary.Add(once);
            }
            return once.Storage.Address;
        }
        lock (_lock)
        {
            nint address = LaunchContext.Address(tensor);
            if (_copies.TryGetValue(address, out var known) && known.Bf16.Count != tensor.Count)
            {
                _copies.Remove(address);
                known.Bf16.Dispose();
                known = null;
            }
            if (known is null)
            {
                known = new Copy(tensor.Storage, gpu.Workspace(tensor.Shape, DType.BF16).Keep()) { Stale = true };
                _copies.Add(address, known);
            }
            if (known.Stale)
            {
                gpu.Casts.Cast(tensor, known.Bf16);
                known.Stale = false;
            }
            return known.Bf16.Storage.Address;
        }
    }

    /// <summary>Address of a BF16 copy whose rows start at multiples of 16 bytes, for one product with a tensor whose rows do
    /// not.</summary>
    private nint Padded(Tensor tensor)
    {
        var once = gpu.Workspace([tensor.Shape.Rows, GemmSchedule.Pitch(tensor.Shape.Columns)], DType.BF16).Keep();
        gpu.Casts.PadRows(tensor, once);
        lock (_lock)
        {
            _temporary.Add(once);
        }
        return once.Storage.Address;
    }

    /// <summary>Frees the copies for one product, after that product is queued.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            _temporary.ForEach(copy => copy.Dispose());
            _temporary.Clear();
        }
    }

    /// <summary>The cached copy of a parameter, or null. The caller writes both the parameter and the copy.</summary>
    public Tensor? ToUpdate(Tensor parameter)
    {
        lock (_lock)
        {
            if (!_copies.TryGetValue(LaunchContext.Address(parameter), out var copy)
                || copy.Bf16.Count != parameter.Count)
            {
                return null;
            }
            copy.Stale = false;
            return copy.Bf16;
        }
    }

    /// <summary>Updates every stale copy.</summary>
    public void Refresh()
    {
        lock (_lock)
        {
            foreach (var (address, copy) in _copies.Where(entry => entry.Value.Stale))
            {
                gpu.Casts.Round(address, copy.Bf16);
                copy.Stale = false;
            }
        }
    }

    /// <summary>Marks the copies of a written tensor as stale.</summary>
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

    /// <summary>Frees the copies of a storage that is freed.</summary>
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

    /// <summary>Frees all copies.</summary>
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

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Frozen weights packed for the processor's matrix product, once for many products: W for the forward pass, Wᵀ for the gradient
/// of its input. A packed copy has the size and dtype of the weight, and is allocated at the first product that is faster with it.
/// <see cref="MetaBackend"/> allocates the same copies, so that a plan counts them.</summary>
internal sealed class PackedWeights(Backend backend)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Storage, List<Packed>> _packed = [];

    /// <summary>One packed copy of one weight.</summary>
    /// <param name="Offset">Byte offset of the weight in its storage.</param>
    /// <param name="Shape">The weight's shape.</param>
    /// <param name="Transposed">Whether products read Wᵀ.</param>
    /// <param name="Storage">The packed numbers.</param>
    internal sealed record Packed(long Offset, Shape Shape, bool Transposed, Storage Storage)
    {
        /// <summary>Whether the weight must be packed before the next product: after the allocation and after each write.</summary>
        public bool Stale { get; set; } = true;
    }

    /// <summary>The packed copy of op(B) for a product op(A)·op(B) of m rows and k steps; null if the product is faster without.</summary>
    public Packed? Of(int m, int k, Tensor a, Tensor b, bool transposeB)
    {
        int n = transposeB ? b.Shape.Rows : b.Shape.Columns;
        if (b.Storage.Kind != MemoryKind.Frozen || (b.DType != DType.F32 && b.DType != DType.BF16) || !Gemm.GainsFromPacking(m, n, k))
        {
            return null;
        }
        long bytes = Gemm.PackedBytes(n, k, b.DType.Element);
        if (Math.Max(bytes, a.ByteCount) > int.MaxValue || (long)m * n * sizeof(float) > int.MaxValue)
        {
            return null; // The packed product does not split its operands.
        }
        lock (_lock)
        {
            if (!_packed.TryGetValue(b.Storage, out var copies))
            {
                _packed.Add(b.Storage, copies = []);
            }
            foreach (var known in copies)
            {
                if (known.Offset == b.ByteOffset && known.Transposed == transposeB && known.Shape == b.Shape)
                {
                    return known;
                }
            }
            var packed = new Packed(b.ByteOffset, b.Shape, transposeB, backend.Allocate(bytes, MemoryKind.Frozen));
            copies.Add(packed);
            return packed;
        }
    }

    /// <summary>Marks the packed copies of a tensor that is written as stale.</summary>
    public void MarkStale(Tensor tensor)
    {
        lock (_lock)
        {
            if (_packed.TryGetValue(tensor.Storage, out var copies))
            {
                copies.ForEach(copy => copy.Stale = true);
            }
        }
    }

    /// <summary>Releases the packed copies of a storage that is freed.</summary>
    public void Release(Storage storage)
    {
        List<Packed>? copies;
        lock (_lock)
        {
            _packed.Remove(storage, out copies);
        }
        copies?.ForEach(copy => copy.Storage.Release());
    }
}

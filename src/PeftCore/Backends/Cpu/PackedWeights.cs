using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Frozen weights laid out as the processor's matrix product reads them, once for many products: W for the forward pass, Wᵀ for
/// the gradient of its input. Each layout takes the weight's own bytes again, in its own dtype, and is made when a product first asks for
/// it. Both the processor and the backend without data keep these books, so a plan counts them.</summary>
internal sealed class PackedWeights(IBackend backend)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Storage, List<Packed>> _packed = [];

    /// <summary>One layout of one weight.</summary>
    /// <param name="Offset">Where in its storage the weight begins.</param>
    /// <param name="Shape">Its shape.</param>
    /// <param name="Transposed">Whether it is Wᵀ that products read.</param>
    /// <param name="Storage">The packed numbers.</param>
    internal sealed record Packed(long Offset, Shape Shape, bool Transposed, Storage Storage)
    {
        /// <summary>Whether the weight was written since, or nothing is there yet.</summary>
        public bool Stale { get; set; } = true;
    }

    /// <summary>The layout of op(B) for op(A)·op(B) with m rows and k steps; null if the product had better read B as it is.</summary>
    public Packed? Of(int m, int k, Tensor a, Tensor b, bool transposeB)
    {
        int n = transposeB ? b.Shape.Rows : b.Shape.Columns;
        if (b.Storage.Kind != MemoryKind.Frozen || (b.DType != DType.F32 && b.DType != DType.BF16) || !Gemm.GainsFromPacking(m, n, k))
        {
            return null;
        }
        long bytes = Gemm.PackedBytes(n, k, b.DType.Element);
        if (Math.Max(bytes, a.ByteCount) > int.MaxValue)
        {
            return null;
        }
        lock (_lock)
        {
            if (!_packed.TryGetValue(b.Storage, out var layouts))
            {
                _packed.Add(b.Storage, layouts = []);
            }
            foreach (var known in layouts)
            {
                if (known.Offset == b.ByteOffset && known.Transposed == transposeB && known.Shape == b.Shape)
                {
                    return known;
                }
            }
            var packed = new Packed(b.ByteOffset, b.Shape, transposeB, backend.Allocate(bytes, MemoryKind.Frozen));
            layouts.Add(packed);
            return packed;
        }
    }

    /// <summary>A tensor was written: what was packed of it is out of date.</summary>
    public void Written(Tensor tensor)
    {
        lock (_lock)
        {
            if (_packed.TryGetValue(tensor.Storage, out var layouts))
            {
                layouts.ForEach(layout => layout.Stale = true);
            }
        }
    }

    /// <summary>A storage is freed, and with it what was packed of it.</summary>
    public void Forget(Storage storage)
    {
        List<Packed>? layouts;
        lock (_lock)
        {
            _packed.Remove(storage, out layouts);
        }
        layouts?.ForEach(layout => layout.Storage.Release());
    }
}

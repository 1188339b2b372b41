using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>A device whose tensors have shapes and sizes but no data. Model code that runs on it yields the memory ledger and the count of
/// floating-point operations of a real run before anything is allocated. Numbers downloaded from it are zero. This file holds memory;
/// MetaBackend.Compute.cs holds the compute ops, which count operations or do nothing.</summary>
/// <example>
/// <code>
/// using var backend = new MetaBackend(); // shapes and bytes, no data
/// using var model = ModelLoader.Load(modelDirectory, backend);
/// Console.WriteLine($"{backend.Memory.Current(MemoryKind.Frozen):N0} bytes of weights");
/// </code>
/// </example>
public sealed partial class MetaBackend : Backend
{
    private readonly Arena _arena;
    private readonly Dictionary<Storage, Storage> _rounded = [];
    private readonly PackedWeights? _packed;
    private readonly bool _tensorCores;

    /// <summary>Opens a device that counts as another one would.</summary>
    /// <param name="activations">The dtype of activations on that device.</param>
    /// <param name="packWeights">Whether it keeps frozen weights packed, as <see cref="CpuBackend"/> can.</param>
    /// <param name="memoryLimit">The most bytes that its arena may reserve.</param>
    /// <param name="chunkBytes">Bytes of its arena's chunks.</param>
    /// <param name="tensorCores">Whether it multiplies BF16 activations on tensor cores, as cards do; ILGPU's CPU accelerator does
    /// not.</param>
    public MetaBackend(DType activations = DType.F32, bool packWeights = false, long memoryLimit = long.MaxValue,
        long chunkBytes = Arena.DefaultChunk, bool tensorCores = true)
        : base("meta", activations)
    {
        _arena = new Arena(new NoMemory(memoryLimit), chunkBytes);
        _tensorCores = tensorCores;
        _packed = packWeights ? new PackedWeights(this) : null;
    }

    internal override bool IsMeta => true;

    internal override CopyEngine Copies { get; } = new MetaCopyEngine();

    internal override Arena Arena => _arena;

    /// <summary>Floating-point operations of all matrix products and attention calls so far; a multiply-add counts two.</summary>
    internal double Flops { get; private set; }

    /// <summary>Bytes that a real arena would have reserved by now.</summary>
    internal long ReservedBytes => _arena.ReservedBytes;

    internal override Storage Allocate(long bytes, MemoryKind kind) => new(this, _arena.Allocate(bytes), bytes, Arena.Round(bytes), kind);

    internal override void Free(Storage storage)
    {
        _packed?.Release(storage);
        if (_rounded.Remove(storage, out var copy))
        {
            copy.Release();
        }
        if (!storage.IsExternal)
        {
            _arena.Free(storage.Address);
        }
    }

    internal override void Download(Tensor from, Span<byte> to) => to.Clear();

    internal override void Upload(ReadOnlySpan<byte> from, Tensor to) { }

    internal override void Copy(Tensor from, Tensor to) { }

    internal override void Cast(Tensor from, Tensor to) { }

    internal override void Fill(Tensor tensor, float value) { }

    internal override void Zero(Tensor tensor) { }

    internal override void Trim() => _arena.Trim();

    /// <summary>Chunks that are addresses without memory.</summary>
    private sealed class NoMemory(long limit) : IChunkSource
    {
        private nint _next = (nint)Arena.Granularity;
        private long _taken;

        public nint Take(long bytes, long unused = 0)
        {
            if (bytes > limit - _taken)
            {
                throw MemoryAdvice.Beyond(bytes, _taken - unused, limit);
            }
            _taken += bytes;
            nint address = _next;
            _next += (nint)bytes;
            return address;
        }

        public void Return(nint address, long bytes) => _taken -= bytes;

        public long Left => limit - _taken;

        public bool HoldsData => false;
    }
}

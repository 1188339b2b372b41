using System.Runtime.InteropServices;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Computes on the processor with the SIMD kernels of PeftCore.Kernels.</summary>
public sealed partial class CpuBackend : IBackend
{
    private readonly Arena _arena;
    private readonly WorkerPool _pool;
    private readonly bool _poison;
    private readonly PackedWeights? _packed;

    /// <summary>Opens the processor as a device.</summary>
    /// <param name="threads">Threads to compute with; 0 for one per core.</param>
    /// <param name="memoryLimit">Most bytes to take from the system.</param>
    /// <param name="poison">Fill new memory with NaN, so that reading before writing shows.</param>
    /// <param name="packWeights">Keep frozen weights packed for matrix products, up to twice (W and Wᵀ), each time in as many bytes as the weight has.</param>
    public CpuBackend(int threads = 0, long memoryLimit = long.MaxValue, bool poison = false, bool packWeights = false)
    {
        _arena = new Arena(new HostMemory(memoryLimit));
        _pool = new WorkerPool(threads > 0 ? threads : Environment.ProcessorCount);
        _poison = poison;
        _packed = packWeights ? new PackedWeights(this) : null;
    }

    /// <inheritdoc/>
    public string Name => "cpu";

    /// <inheritdoc/>
    public bool IsMeta => false;

    /// <summary>Number of threads that compute.</summary>
    public int Threads => _pool.Threads;

    /// <inheritdoc/>
    public MemoryLedger Memory { get; } = new();

    /// <summary>Bytes taken from the system for tensors, in use or not.</summary>
    public long ReservedBytes => _arena.ReservedBytes;

    /// <inheritdoc/>
    public Storage Allocate(long bytes, MemoryKind kind)
    {
        nint address = _arena.Allocate(bytes);
        var storage = new Storage(this, address, bytes, Arena.Round(bytes), kind);
        if (_poison)
        {
            Poison(storage);
        }
        return storage;
    }

    /// <inheritdoc/>
    public void Free(Storage storage)
    {
        _packed?.Forget(storage);
        _arena.Free(storage.Address);
    }

    /// <summary>Gives memory that no tensor uses back to the system.</summary>
    public void Trim() => _arena.Trim();

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<byte> from, Tensor to) => from.CopyTo(Bytes(Written(to)));

    /// <inheritdoc/>
    public void Download(Tensor from, Span<byte> to) => Bytes(from).CopyTo(to);

    /// <inheritdoc/>
    public unsafe void Copy(Tensor from, Tensor to) =>
        Buffer.MemoryCopy((void*)Address(from), (void*)Address(Written(to)), to.ByteCount, from.ByteCount);

    /// <inheritdoc/>
    public void Cast(Tensor from, Tensor to)
    {
        Written(to);
        if (from.DType == to.DType)
        {
            Copy(from, to);
        }
        else if (Math.Max(from.ByteCount, to.ByteCount) > LongestSpan)
        {
            CastLarge(from, to);
        }
        else if (to.DType == DType.F32)
        {
            Elements.Widen(Bytes(from), from.DType.Element, F32(to), _pool);
        }
        else if (from.DType == DType.F32)
        {
            Elements.Narrow(F32(from), Bytes(to), to.DType.Element, _pool);
        }
        else
        {
            throw new ShapeException("cast", $"there is no direct way from {from.DType} to {to.DType}; go through F32");
        }
    }

    /// <inheritdoc/>
    public unsafe void Zero(Tensor tensor) => NativeMemory.Clear((void*)Address(Written(tensor)), (nuint)tensor.ByteCount);

    /// <inheritdoc/>
    public void Synchronize() { }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pool.Dispose();
        _arena.Dispose();
    }

    /// <summary>Goes with every output: what was packed of it is out of date.</summary>
    private Tensor Written(Tensor tensor)
    {
        _packed?.Written(tensor);
        return tensor;
    }

    private static nint Address(Tensor tensor) => tensor.Storage.Address + (nint)tensor.ByteOffset;

    private static unsafe Span<byte> Bytes(Tensor tensor) => new((void*)Address(tensor), LengthOf(tensor, tensor.ByteCount));

    private static unsafe Span<float> F32(Tensor tensor) => tensor.DType == DType.F32
        ? new((void*)Address(tensor), LengthOf(tensor, tensor.Count))
        : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");

    private static unsafe Span<int> I32(Tensor tensor) => tensor.DType == DType.I32
        ? new((void*)Address(tensor), LengthOf(tensor, tensor.Count))
        : throw new InvalidOperationException($"an I32 tensor was expected, not {tensor}");

    private static int LengthOf(Tensor tensor, long length) => length <= int.MaxValue
        ? (int)length
        : throw new NotSupportedException($"{tensor} is too large for one job of the processor, which reaches 2 GiB of bytes or 2,147,483,647 numbers; " +
            "use a smaller batch or shorter sequences");

    private static Span<float> F32OrNone(Tensor? tensor) => tensor is null ? [] : F32(tensor);

    private static Operand Matrix(Tensor tensor) => new(Bytes(tensor), tensor.DType.Element, tensor.Shape.Columns);

    private static unsafe void Poison(Storage storage) => NativeMemory.Fill((void*)storage.Address, (nuint)storage.ReservedBytes, 0xFF);
}

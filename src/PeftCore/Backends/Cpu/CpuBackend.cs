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
    private readonly bool _replays;

    /// <summary>Opens the processor as a device.</summary>
    /// <param name="threads">Threads to compute with; 0 for one per core.</param>
    /// <param name="memoryLimit">Most bytes to take from the system.</param>
    /// <param name="poison">Fill new memory with NaN, so that reading before writing shows.</param>
    /// <param name="packWeights">Keep frozen weights packed for matrix products, up to twice (W and Wᵀ), each time in as many bytes as the
    /// weight has.</param>
    /// <param name="replays">Record training passes and replay them: the same bits without garbage. See
    /// <see cref="Training.TrainingStep"/>.</param>
    /// <param name="processors">Binds each thread to a processor, the thread that opens the device to the first; null to leave that to the
    /// system.</param>
    /// <exception cref="BadInputException">Threads cannot be bound so here.</exception>
    public CpuBackend(int threads = 0, long memoryLimit = long.MaxValue, bool poison = false, bool packWeights = false, bool replays = true,
        IReadOnlyList<int>? processors = null)
    {
        CheckProcessors(threads, processors);
        _arena = new Arena(new HostMemory(memoryLimit));
        _pool = new WorkerPool(threads > 0 ? threads : processors?.Count ?? Environment.ProcessorCount, processors);
        _poison = poison;
        _replays = replays;
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
    public void Upload(ReadOnlySpan<byte> from, Tensor to)
    {
        BreakCapture();
        from.CopyTo(Written(to).Bytes);
    }

    /// <inheritdoc/>
    public void Download(Tensor from, Span<byte> to)
    {
        BreakCapture();
        At(from).Bytes.CopyTo(to);
    }

    /// <inheritdoc/>
    public void Copy(Tensor from, Tensor to) =>
        Launch(LaunchCost.Of("copy", from, to), (from: At(from), to: Written(to)), static (c, _) => Copy(c.from, c.to));

    /// <inheritdoc/>
    public void Cast(Tensor from, Tensor to) =>
        Launch(LaunchCost.Of("cast", from, to), (from: At(from), to: Written(to)), static (c, cpu) => cpu.Cast(c.from, c.to));

    /// <inheritdoc/>
    public void Fill(Tensor tensor, float value) =>
        Launch(LaunchCost.Of("fill", tensor), (y: Written(tensor), value), static (c, _) => c.y.F32.Fill(c.value));

    /// <inheritdoc/>
    public unsafe void Zero(Tensor tensor) =>
        Launch(LaunchCost.Of("zero", tensor), Written(tensor), static (y, _) => NativeMemory.Clear(y.Data, (nuint)y.ByteCount));

    /// <inheritdoc/>
    public void Synchronize() { }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pool.Dispose();
        _arena.Dispose();
    }

    private static unsafe void Copy(CpuTensorView from, CpuTensorView to) =>
        Buffer.MemoryCopy(from.Data, to.Data, to.ByteCount, from.ByteCount);

    private void Cast(CpuTensorView from, CpuTensorView to)
    {
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
            Elements.ToFloat(from.Bytes, from.DType.Element, to.F32, _pool);
        }
        else if (from.DType == DType.F32)
        {
            Elements.FromFloat(from.F32, to.Bytes, to.DType.Element, _pool);
        }
        else
        {
            throw new ShapeException("cast", $"there is no direct way from {from.DType} to {to.DType}; go through F32");
        }
    }

    private static void CheckProcessors(int threads, IReadOnlyList<int>? processors)
    {
        if (processors is null)
        {
            return;
        }
        if (!Affinity.IsSupported)
        {
            throw new BadInputException("threads can be bound to processors on Linux only; leave the list of processors out");
        }
        var allowed = Affinity.OfThisThread();
        if (processors.FirstOrDefault(processor => !allowed.Contains(processor), -1) is var stranger && stranger >= 0)
        {
            throw new BadInputException($"this process may not run on processor {stranger}; it may on {string.Join(", ", allowed)}");
        }
        if (processors.Count < Math.Max(1, threads))
        {
            throw new BadInputException(
                $"{Math.Max(1, threads)} threads need as many processors to be bound to, got {processors.Count}; list more or use fewer " +
                "threads");
        }
    }

    private static CpuTensorView At(Tensor tensor) => new(tensor);

    /// <summary>Goes with every output: what was packed of it is out of date.</summary>
    private CpuTensorView Written(Tensor tensor)
    {
        _packed?.Written(tensor);
        return new CpuTensorView(tensor);
    }

    private static unsafe void Poison(Storage storage) => NativeMemory.Fill((void*)storage.Address, (nuint)storage.ReservedBytes, 0xFF);
}

using System.Runtime.InteropServices;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The processor as a device, with the SIMD kernels of PeftCore.Kernels. This file holds memory, graph capture and profiles;
/// CpuBackend.Compute.cs forwards each compute op to the class of its subject.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend(threads: 2);
/// using var model = ModelLoader.Load(modelDirectory, backend);
/// Console.WriteLine($"{backend.Name}: {backend.Memory.Current(MemoryKind.Frozen):N0} bytes of weights");
/// </code>
/// </example>
public sealed partial class CpuBackend : Backend, IGraphCapture
{
    private const int MaxThreads = 1024;

    private readonly Arena _arena;
    private readonly WorkerPool _pool;
    private readonly CpuStream _stream;
    private readonly PackedWeights? _packed;
    private readonly bool _poison, _captureGraphs;
    private readonly FairLock _passLock = new();
    private CopyEngine? _copies;

    /// <summary>Opens the processor as a device.</summary>
    /// <param name="threads">Number of threads to compute with; 0 for one per core.</param>
    /// <param name="memoryLimit">Upper bound of the bytes allocated from the system.</param>
    /// <param name="poison">Fill new memory with NaN, which reveals reads of memory that was never written.</param>
    /// <param name="packWeights">Keep frozen weights packed for matrix products, up to twice (W and Wᵀ), each packed copy as large as the
    /// weight.</param>
    /// <param name="captureGraphs">Capture training passes as graphs and replay them: the same bits without garbage. See
    /// <see cref="Training.TrainingStep"/>.</param>
    /// <param name="processors">The processor that each thread is bound to, that of the calling thread first; null to let the system
    /// choose.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of threads is negative.</exception>
    /// <exception cref="BadInputException">There are more than 1024 threads, or the system cannot bind threads to these
    /// processors.</exception>
    public CpuBackend(int threads = 0, long memoryLimit = long.MaxValue, bool poison = false, bool packWeights = false,
        bool captureGraphs = true, IReadOnlyList<int>? processors = null)
        : base("cpu")
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        CheckProcessors(threads, processors);
        _arena = new Arena(new HostMemory(memoryLimit));
        _pool = new WorkerPool(threads > 0 ? threads : processors?.Count ?? Environment.ProcessorCount, processors);
        _stream = new CpuStream(_pool);
        _poison = poison;
        _captureGraphs = captureGraphs;
        _packed = packWeights ? new PackedWeights(this) : null;
        _transfers = new CpuTransfers(_stream, _packed);
        _gemm = new CpuGemm(_stream, _packed);
        _quantized = new CpuQuantized(_stream, _packed);
        _rows = new CpuRows(_stream, _packed);
        _elementwise = new CpuElementwise(_stream, _packed);
        _random = new CpuRandom(_stream, _packed);
        _norms = new CpuNorms(_stream, _packed);
        _attention = new CpuAttention(_stream, _packed);
        _relativePositions = new CpuRelativePositions(_stream);
        _losses = new CpuLosses(_stream, _packed);
        _structured = new CpuStructured(_stream, _packed);
        _optimizers = new CpuOptimizers(_stream, _packed);
        _experts = new CpuExperts(_stream, _packed);
        _linearAttention = new CpuLinearAttention(_stream, _packed);
        _patches = new CpuPatches(_stream);
        _convolutions = new CpuConvolutions(_stream, _packed);
    }

    internal override bool IsMeta => false;

    internal override Arena Arena => _arena;

    /// <summary>Number of threads that compute.</summary>
    internal int Threads => _pool.Threads;

    /// <summary>Bytes taken from the system for tensors, in use or free.</summary>
    internal long ReservedBytes => _arena.ReservedBytes;

    /// <summary>See <see cref="CpuStream.MaxSpanBytes"/>; tests lower it, so that small weights are split as large ones are.</summary>
    internal long MaxSpanBytes { init => _stream.MaxSpanBytes = value; }

    /// <summary>Whether the backend has a copy engine, which tests of streaming use without a card.</summary>
    internal bool CopiesAsCard { init => _copies = value && _packed is null ? new CpuCopyEngine(_stream) : null; }

    internal override Storage Allocate(long bytes, MemoryKind kind)
    {
        nint address = _arena.Allocate(bytes);
        var storage = new Storage(this, address, bytes, Arena.Round(bytes), kind);
        if (_poison)
        {
            Poison(storage);
        }
        return storage;
    }

    internal override void Free(Storage storage)
    {
        _packed?.Release(storage);
        if (!storage.IsExternal)
        {
            _arena.Free(storage.Address);
        }
    }

    internal override void Trim() => _arena.Trim();

    internal override IKernelProfiler Profiler => _stream;

    /// <summary>Copies of a processor that plays the part of a card in tests: its own memory is the device's, another part of it the
    /// host's. Passes then take turns, as on a card.</summary>
    internal override CopyEngine? Copies => _copies;

    internal override FairLock? PassLock => _copies is null ? null : _passLock;

    internal override bool PrefersFewLaunches => false;

    internal override IGraphCapture GraphCapture => this;

    bool IGraphCapture.CanCapture => _captureGraphs && _stream.CanCapture;

    /// <inheritdoc/>
    int IGraphCapture.MaxGraphs => 64; // Each is a list of some hundred launches.

    /// <inheritdoc/>
    Arena IGraphCapture.Arena => _arena;

    /// <inheritdoc/>
    ICapturedGraph IGraphCapture.Capture(Action work, ulong pass)
    {
        var graph = new CpuGraph(_stream, _arena, pass);
        try
        {
            _stream.Capture(graph, work);
        }
        catch
        {
            graph.Dispose();
            throw;
        }
        graph.Close();
        return graph;
    }

    internal override void Close()
    {
        _stream.Close();
        _pool.Dispose();
        _arena.Dispose();
        _copies?.Dispose();
    }

    private static unsafe void Poison(Storage storage) => NativeMemory.Fill((void*)storage.Address, (nuint)storage.ReservedBytes, 0xFF);

    private static void CheckProcessors(int threads, IReadOnlyList<int>? processors)
    {
        if (threads > MaxThreads)
        {
            throw new BadInputException($"{threads} threads are more than the {MaxThreads} that compute at most; use 0 for one per core");
        }
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
}

using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Computes with ILGPU kernels: on an NVIDIA card, or on ILGPU's CPU accelerator to test them. All work is queued on one stream;
/// the host waits only to read results. Passes of several threads take turns, in the order in which they came. This file holds memory,
/// profiles and graph capture; IlgpuBackend.Compute.cs forwards each op to its launcher.</summary>
internal sealed partial class IlgpuBackend : Backend, IGraphCapture, IKernelProfiler
{
    /// <summary>Bytes of a chunk of a card's memory.</summary>
    internal const long CardChunk = 256L << 20;

    /// <summary>Room for counters, flags and tables: of those the lists of chunks of tensors grow with what trains, 1 MiB for 5·10⁸
    /// numbers.</summary>
    internal const long SmallBytes = 1L << 20;

    private readonly GpuDevice _device;
    private readonly Arena _arena;
    private readonly IlgpuOptions _options;
    private readonly LaunchContext _gpu;

    public IlgpuBackend(DeviceName name, IlgpuOptions options)
        : base(name.ToString(), options.ComputeDType)
    {
        _options = options;
        _device = new GpuDevice(name, _options.AsAmpere, _options.MemoryLimit);
        _gpu = new LaunchContext(this, _device, _options.ComputeDType);
        _elementwise = new ElementwiseLauncher(_gpu);
        _rows = new RowLauncher(_gpu);
        _embedding = new EmbeddingLauncher(_gpu);
        _quantizedTables = new QuantizedTables(_device);
        var quantizedKernels = _device.Ptx is null ? null : new QuantizedKernels(_device.Ptx);
        _quantized = new QuantizedLauncher(_gpu, _quantizedTables, quantizedKernels);
        _int8 = new Int8GemmLauncher(_gpu);
        _gemm = new GemmLauncher(_gpu, _rows, quantizedKernels is null ? null : new StreamedGemmLauncher(_gpu, _quantizedTables,
            quantizedKernels));
        _skinnyGemm = new SkinnyGemmLauncher(_gpu);
        _structured = new StructuredLauncher(_gpu);
        _rmsNorm = new RmsNormLauncher(_gpu, _rows);
        _layerNorm = new LayerNormLauncher(_gpu, _rows);
        _rope = new RopeLauncher(_gpu);
        _attention = new AttentionLauncher(_gpu);
        _relativePositions = new RelativePositionLauncher(_gpu);
        _loss = new LossLauncher(_gpu);
        _optimizer = new OptimizerLauncher(_gpu);
        _experts = new ExpertLauncher(_gpu);
        _linearAttention = new LinearAttentionLauncher(_gpu);
        _patches = new PatchLauncher(_gpu);
        _convolutions = new ConvolutionLauncher(_gpu, _rows);
        var chunks = new ArenaMemory(_device.Memory, options.MemoryLimit, LimitMargin);
        _arena = new Arena(chunks, options.ChunkBytes ?? (name.IsCuda ? CardChunk : Arena.DefaultChunk));
    }

    internal override bool IsMeta => false;

    internal override FairLock PassLock { get; } = new();

    internal override Arena Arena => _arena;

    internal override CopyEngine Copies => _device.Copies;

    public override long OwnBytes => _options.ComputeDType == DType.BF16 ? _gemm.PartialBytes : 0;

    public override long LimitMargin => OwnBytes + SmallBytes;

    internal override Storage Allocate(long bytes, MemoryKind kind)
    {
        nint address = _arena.Allocate(bytes);
        var storage = new Storage(this, address, bytes, Arena.Round(bytes), kind);
        if (_options.Poison)
        {
            _device.Memory.Fill(address, 0xFF, storage.ReservedBytes);
        }
        return storage;
    }

    internal override void Free(Storage storage)
    {
        _gpu.Bf16Weights.Forget(storage);
        if (!storage.IsExternal)
        {
            _arena.Free(storage.Address); // Queued work that still reads it comes before any later use in the stream.
        }
    }

    internal override void Upload(ReadOnlySpan<byte> from, Tensor to)
    {
        using var turn = EnterPass();
        _device.Memory.Upload(from, LaunchContext.Address(to));
        _gpu.Written(to);
    }

    internal override void Download(Tensor from, Span<byte> to)
    {
        using var turn = EnterPass();
        _device.Memory.Download(LaunchContext.Address(from), to);
    }

    internal override void Copy(Tensor from, Tensor to)
    {
        using var turn = EnterPass();
        _gpu.Casts.Copy(from, to);
    }

    internal override void Cast(Tensor from, Tensor to)
    {
        if (from.Format is not null)
        {
            Dequantize(from, to);
            return;
        }
        if (to.Format is not null)
        {
            Quantize(from, to);
            return;
        }
        using var turn = EnterPass();
        _gpu.Casts.Cast(from, to);
    }

    internal override void Fill(Tensor tensor, float value)
    {
        using var turn = EnterPass();
        _device.Memory.Fill(LaunchContext.Address(tensor), value, _gpu.F32(tensor).Length);
        _gpu.Written(tensor);
    }

    internal override void Zero(Tensor tensor)
    {
        if (tensor.ByteCount > 0)
        {
            using var turn = EnterPass();
            _device.Memory.Fill(LaunchContext.Address(tensor), 0, tensor.ByteCount);
            _gpu.Written(tensor);
        }
    }

    void IKernelProfiler.Start() => _device.Timer ??= new LaunchTimer(_device.Accelerator, _device.Stream);

    string IKernelProfiler.Stop()
    {
        using var timer = _device.Timer ?? throw new InvalidOperationException("no profile was started");
        _device.Timer = null;
        return timer.Finish().ToString();
    }

    /// <inheritdoc/>
    public override void Synchronize()
    {
        using var turn = EnterPass();
        _gpu.Capturing?.Interrupt();
        _device.Accelerator.Synchronize();
    }

    internal override void Trim()
    {
        Synchronize(); // Queued work may still use memory that is free for the host.
        _arena.Trim();
    }

    internal override IKernelProfiler Profiler => this;

    internal override IGraphCapture GraphCapture => this;

    public bool CanCapture => _options.CaptureGraphs && _device.Timer is null && _gpu.Capturing is null;

    /// <inheritdoc/>
    public int MaxGraphs => 8; // A graph takes memory of the card that no plan counts.

    /// <inheritdoc/>
    Arena IGraphCapture.Arena => _arena;

    /// <inheritdoc/>
    public ICapturedGraph Capture(Action work, ulong pass)
    {
        _gpu.Passes.Set(0); // Before the capture, which an upload would end.
        var graph = _gpu.Capturing = new IlgpuGraph(this, _device.Capture, _gpu.Bf16Weights, _gpu.Passes, pass);
        _device.Memory.BreakCapture = graph.Interrupt;
        try
        {
            graph.Run(work);
        }
        finally
        {
            _device.Memory.BreakCapture = null;
            _gpu.Capturing = null;
        }
        return graph;
    }

    /// <summary>The memory in use now, inside and outside the arena.</summary>
    internal GraphMemory MemoryNow => new(_arena.InUse, _gemm.TakenBytes, _optimizer.TableVersion);

    internal override void Close()
    {
        Synchronize();
        _gpu.Bf16Weights.Clear();
        _gpu.Passes.Dispose();
        _optimizer.Dispose();
        _quantizedTables.Dispose();
        _gemm.Dispose();
        _attention.Dispose();
        _arena.Dispose();
        _device.Dispose();
    }
}

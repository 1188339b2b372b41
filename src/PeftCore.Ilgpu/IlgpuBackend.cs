using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Computes with ILGPU kernels: on an NVIDIA card, or on ILGPU's CPU accelerator to check them. Work is queued on one stream;
/// only reading results waits.</summary>
internal sealed partial class IlgpuBackend : IBackend, IKernelProfiler
{
    private const long CardChunk = 256L << 20;

    private readonly GpuDevice _device;
    private readonly Arena _arena;
    private readonly IlgpuOptions _options;
    private readonly Bf16WeightCache _bf16Weights;
    private readonly MultiTensorApply _multiTensor;

    public IlgpuBackend(DeviceName name, IlgpuOptions? options = null)
    {
        _options = options ?? new IlgpuOptions();
        _device = new GpuDevice(name, _options.AsAmpere, _options.MemoryLimit);
        _bf16Weights = new Bf16WeightCache(this);
        _multiTensor = new MultiTensorApply(this);
        _arena = name.IsCuda ? new Arena(_device.Memory, CardChunk) : new Arena(_device.Memory);
    }

    /// <inheritdoc/>
    public string Name => _device.Name.ToString();

    /// <inheritdoc/>
    public bool IsMeta => false;

    /// <inheritdoc/>
    public DType ActivationDType => _options.ComputeDType;

    /// <inheritdoc/>
    public MemoryLedger Memory { get; } = new();

    /// <inheritdoc/>
    public long OwnBytes => _options.ComputeDType == DType.BF16 ? _device.WgmmaGemms?.PartialBytes ?? 0 : 0;

    /// <summary>Bytes taken from the device for tensors, in use or not.</summary>
    public long ReservedBytes => _arena.ReservedBytes;

    internal GpuDevice Device => _device;

    /// <inheritdoc/>
    public Storage Allocate(long bytes, MemoryKind kind)
    {
        nint address = _arena.Allocate(bytes);
        var storage = new Storage(this, address, bytes, Arena.Round(bytes), kind);
        if (_options.Poison)
        {
            _device.Memory.Fill(address, 0xFF, storage.ReservedBytes);
        }
        return storage;
    }

    /// <inheritdoc/>
    public void Free(Storage storage)
    {
        _bf16Weights.Forget(storage);
        _arena.Free(storage.Address); // Work that still reads it comes first in the stream.
    }

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<byte> from, Tensor to)
    {
        _device.Memory.Upload(from, Address(to));
        Written(to);
    }

    /// <inheritdoc/>
    public void Download(Tensor from, Span<byte> to) => _device.Memory.Download(Address(from), to);

    /// <inheritdoc/>
    public void Copy(Tensor from, Tensor to)
    {
        if (from.ByteCount > 0)
        {
            _device.Memory.Copy(Address(from), Address(to), from.ByteCount);
            Written(to);
        }
    }

    /// <inheritdoc/>
    public void Fill(Tensor tensor, float value)
    {
        _device.Memory.Fill(Address(tensor), value, F32(tensor).Length);
        Written(tensor);
    }

    /// <inheritdoc/>
    public void Zero(Tensor tensor)
    {
        if (tensor.ByteCount > 0)
        {
            _device.Memory.Fill(Address(tensor), 0, tensor.ByteCount);
            Written(tensor);
        }
    }

    /// <inheritdoc/>
    public void Cast(Tensor from, Tensor to)
    {
        if (from.DType == to.DType)
        {
            Copy(from, to);
        }
        else if (from.DType == DType.BF16 && to.DType == DType.F32 && CanVectorizeCast(from, to))
        {
            _device.ForEach<CastToFloatBf16x8, CastBf16x8Args>(to.Count / 8, new CastBf16x8Args
            {
                Elements = Bf16x8View(from),
                Floats = Float32x8View(to)
            });
        }
        else if (from.DType == DType.F32 && to.DType == DType.BF16 && CanVectorizeCast(to, from))
        {
            _device.ForEach<CastFromFloatBf16x8, CastBf16x8Args>(to.Count / 8,
                new CastBf16x8Args { Elements = Bf16x8View(to), Floats = Float32x8View(from) });
        }
        else if (to.DType == DType.F32)
        {
            Switch(from.DType, () => ToFloat<BFloat16>(from, to), () => ToFloat<Float16>(from, to));
        }
        else if (from.DType == DType.F32)
        {
            Switch(to.DType, () => FromFloat<BFloat16>(from, to), () => FromFloat<Float16>(from, to));
        }
        else
        {
            throw new ShapeException("cast", $"there is no direct way from {from.DType} to {to.DType}; go through F32");
        }
        Written(to);
    }

    /// <inheritdoc/>
    public void StartProfile() => _device.Timer ??= new LaunchTimer(_device.Accelerator, _device.Stream);

    /// <inheritdoc/>
    public string StopProfile()
    {
        using var timer = _device.Timer ?? throw new InvalidOperationException("no profile was started");
        _device.Timer = null;
        return timer.Finish().ToString();
    }

    /// <inheritdoc/>
    public void Synchronize()
    {
        _recording?.Interrupt();
        _device.Accelerator.Synchronize();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Synchronize();
        _bf16Weights.Clear();
        _multiTensor.Dispose();
        Memory.Add(-_countedPartials, MemoryKind.Workspace);
        _arena.Dispose();
        _device.Dispose();
    }

    private static nint Address(Tensor tensor) => tensor.Storage.Address + (nint)tensor.ByteOffset;

    private ArrayView<T> View<T>(Tensor tensor) where T : unmanaged => _device.Space.View<T>(Address(tensor), tensor.Count);

    private ArrayView<float> F32(Tensor tensor) => tensor.DType == DType.F32
        ? View<float>(tensor)
        : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");

    private ArrayView<int> I32(Tensor tensor) => tensor.DType == DType.I32
        ? View<int>(tensor)
        : throw new InvalidOperationException($"an I32 tensor was expected, not {tensor}");

    // Kernels take no missing views; an empty one stands for what is not there.
    private ArrayView<float> F32OrNone(Tensor? tensor) => tensor is null ? None<float>() : F32(tensor);

    private ArrayView<T> None<T>() where T : unmanaged => _device.Space.View<T>(0, 0);

    private HeadsView<TElement> HeadsOf<TElement>(Heads heads) where TElement : unmanaged, IElement<TElement> => new()
    {
        Data = View<TElement>(heads.Tensor),
        RowStride = heads.Layout.RowStride,
        Offset = heads.Layout.Offset,
        HeadStride = heads.Layout.HeadStride,
    };

    private HeadsView<TElement> HeadsOrNone<TElement>(Heads? heads) where TElement : unmanaged, IElement<TElement> =>
        heads is { } some ? HeadsOf<TElement>(some) : new HeadsView<TElement> { Data = None<TElement>() };

    private void ToFloat<TElement>(Tensor from, Tensor to) where TElement : unmanaged, IElement<TElement> =>
        _device.ForEach<CastToFloat<TElement>, CastArgs<TElement>>(to.Count, new CastArgs<TElement>
        {
            Elements = View<TElement>(from),
            Floats = F32(to)
        });

    private void FromFloat<TElement>(Tensor from, Tensor to) where TElement : unmanaged, IElement<TElement> =>
        _device.ForEach<CastFromFloat<TElement>, CastArgs<TElement>>(to.Count, new CastArgs<TElement>
        {
            Elements = View<TElement>(to),
            Floats = F32(from)
        });

    private static void Switch(DType dtype, Action bf16, Action f16) => (dtype switch
    {
        DType.BF16 => bf16,
        DType.F16 => f16,
        _ => throw new ShapeException("cast", $"{dtype} is not a floating-point dtype"),
    })();

    /// <summary>Rounds as many float32 numbers at an address as the copy holds.</summary>
    internal void Round(nint address, Tensor copy) => _device.ForEach<CastFromFloat<BFloat16>, CastArgs<BFloat16>>(copy.Count,
        new CastArgs<BFloat16> { Elements = View<BFloat16>(copy), Floats = _device.Space.View<float>(address, copy.Count) });

    private static bool CanVectorizeCast(Tensor narrow, Tensor wide) => wide.Count % 8 == 0 && Address(narrow) % 16 == 0
        && Address(wide) % 32 == 0;

    /// <summary>The next launch reads and writes each of these once.</summary>
    private void Moves(params ReadOnlySpan<Tensor> tensors)
    {
        if (_device.Timer is not null)
        {
            double bytes = 0;
            foreach (var tensor in tensors)
            {
                bytes += tensor.ByteCount;
            }
            _device.Work = new Work(0, bytes);
        }
    }

    private static int Flag(bool value) => value ? 1 : 0;
}

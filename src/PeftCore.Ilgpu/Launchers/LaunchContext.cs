using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>State that all launchers share: the device with its stream, workspace from the arena, float32 staging, BF16 copies of weights,
/// the capture in progress, and views of tensors for kernels.</summary>
internal sealed class LaunchContext
{
    public LaunchContext(Backend backend, GpuDevice device, DType computeDType)
    {
        (Backend, Device, ComputeDType) = (backend, device, computeDType);
        Casts = new CastLauncher(this);
        Bf16Weights = new Bf16WeightCache(this);
        Passes = new PassCounter(device);
    }

    /// <summary>The backend, whose arena allocates workspace.</summary>
    public Backend Backend { get; }

    public GpuDevice Device { get; }

    /// <summary>The dtype to which matrix products round their operands; with BF16 they run on tensor cores.</summary>
    public DType ComputeDType { get; }

    /// <summary>BF16 copies of F32 operands for the tensor cores.</summary>
    public Bf16WeightCache Bf16Weights { get; }

    public CastLauncher Casts { get; }

    /// <summary>The capture in progress, or null.</summary>
    public IlgpuGraph? Capturing { get; set; }

    /// <summary>The number that graphs add to the random streams of dropout.</summary>
    public PassCounter Passes { get; }

    /// <summary>What a kernel with dropout reads <see cref="Passes"/> from: empty outside a capture, where its arguments say
    /// everything.</summary>
    public ArrayView<ulong> CapturedPasses => Capturing?.ReadPasses().View ?? None<ulong>();

    /// <summary>Launches a kernel with one thread for each of <paramref name="count"/> items.</summary>
    public void ForEach<TKernel, TArgs>(long count, TArgs args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct => Device.ForEach<TKernel, TArgs>(count, args);

    /// <summary>Launches a kernel in a grid of <paramref name="blocks"/> × <paramref name="splits"/> thread blocks.</summary>
    public void Run<TKernel, TArgs>(long blocks, int splits, TArgs args)
        where TKernel : struct, IKernel<TArgs>
        where TArgs : struct => Device.Run<TKernel, TArgs>(blocks, splits, args);

    /// <summary>A tensor of workspace, contents undefined.</summary>
    public Tensor Workspace(Shape shape, DType dtype) => Backend.NewTensor(shape, dtype, MemoryKind.Workspace);

    /// <summary>Float32 values to read: the tensor's own, or an F32 copy for kernels that have no BF16 form.</summary>
    public Float32Staging StageIn(Tensor tensor) => new(this, tensor, reads: true, writes: false);

    /// <summary>Float32 values to write, cast into the tensor when disposed; with <paramref name="accumulate"/> they start as the tensor's
    /// values.</summary>
    public Float32Staging StageOut(Tensor tensor, bool accumulate) => new(this, tensor, accumulate, writes: true);

    /// <summary>Must be called for every tensor that a launch writes: marks its BF16 copies as stale.</summary>
    public void Written(Tensor tensor) => Bf16Weights.Written(tensor);

    /// <summary>Must be called after a matrix product is queued: marks its result as written, and frees copies of its operands.</summary>
    public void Queued(Tensor product)
    {
        Written(product);
        Bf16Weights.Trim();
    }

    /// <summary>Sets the bytes of the next launch for the profile: each of these tensors is read or written once.</summary>
    public void Moves(params ReadOnlySpan<Tensor> tensors)
    {
        if (Device.Timer is not null)
        {
            double bytes = 0;
            foreach (var tensor in tensors)
            {
                bytes += tensor.ByteCount;
            }
            Device.Work = new Work(0, bytes);
        }
    }

    public ArrayView<T> View<T>(Tensor tensor) where T : unmanaged => Device.Space.View<T>(Address(tensor), tensor.Count);

    public ArrayView<float> F32(Tensor tensor) => tensor.DType == DType.F32
        ? View<float>(tensor)
        : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");

    public ArrayView<int> I32(Tensor tensor) => tensor.DType == DType.I32
        ? View<int>(tensor)
        : throw new InvalidOperationException($"an I32 tensor was expected, not {tensor}");

    /// <summary>An empty view, because kernel arguments cannot be null.</summary>
    public ArrayView<T> None<T>() where T : unmanaged => Device.Space.View<T>(0, 0);

    public ArrayView<float> F32OrNone(Tensor? tensor) => tensor is null ? None<float>() : F32(tensor);

    /// <summary>The tensor's elements, eight to a vector.</summary>
    public ArrayView<TVector> Vectors<TVector>(Tensor tensor) where TVector : unmanaged =>
        Device.Space.View<TVector>(Address(tensor), tensor.Count / 8);

    public ArrayView<Bf16x8> Bf16x8(Tensor tensor) => Vectors<Bf16x8>(tensor);

    public ArrayView<Float4x2> Float4x2(Tensor tensor) => Vectors<Float4x2>(tensor);

    public HeadsView<TElement> Heads<TElement>(Heads heads) where TElement : unmanaged, IElement<TElement> => new()
    {
        Data = View<TElement>(heads.Tensor),
        RowStride = heads.Layout.RowStride,
        Offset = heads.Layout.Offset,
        HeadStride = heads.Layout.HeadStride,
    };

    public HeadsView<TElement> HeadsOrNone<TElement>(Heads? heads) where TElement : unmanaged, IElement<TElement> =>
        heads is { } some ? Heads<TElement>(some) : new HeadsView<TElement> { Data = None<TElement>() };

    /// <summary>Device address of a tensor's first element.</summary>
    public static nint Address(Tensor tensor) => tensor.Storage.Address + (nint)tensor.ByteOffset;

    /// <summary>A boolean as an integer, because kernel arguments cannot be booleans.</summary>
    public static int Flag(bool value) => value ? 1 : 0;

    /// <summary>Whether vectorized kernels can process the rows, eight BF16 elements per thread.</summary>
    public static bool CanVectorize(params ReadOnlySpan<Tensor> tensors)
    {
        foreach (var tensor in tensors)
        {
            if (tensor.DType != DType.BF16 || tensor.Count % 8 != 0 || tensor.Shape.Columns % 8 != 0 || Address(tensor) % 16 != 0)
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Whether a parameter's elements can be read eight at a time.</summary>
    public static bool CanVectorizeWeight(Tensor weight) => weight.DType is DType.BF16 or DType.F32 && weight.Count % 8 == 0
        && Address(weight) % 32 == 0;
}

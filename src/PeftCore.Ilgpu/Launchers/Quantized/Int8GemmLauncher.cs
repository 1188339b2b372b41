using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Ampere;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Quantized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>The product of LLM.int8() (Dettmers et al. 2022): rows of x are quantised, INT8 products are summed in whole numbers, on tensor
/// cores where rows are whole chunks of 16 bytes, and columns of x with outliers are multiplied apart. Tests hold the tensor cores to the
/// portable kernels and both to the CPU.</summary>
internal sealed class Int8GemmLauncher(LaunchContext gpu)
{
    private const int RowsPerThread = 64, Chunk = 16;

    private readonly MmaGemmKernels? _kernels = gpu.Device.Ptx is null ? null : new MmaGemmKernels(gpu.Device.Ptx);

    /// <summary>y (+)= x·Wᵀ with x (m, k) and y (m, n) of F32 or BF16.</summary>
    public void Multiply(Tensor x, Tensor weight, Tensor y, bool accumulate)
    {
        if (y.Count > 0)
        {
            DTypeSwitch.Element(x.DType, new ProductLaunch(this, x, weight, y, accumulate));
        }
        gpu.Written(y);
    }

    private void Multiply<TX, TY>(Tensor x, Tensor weight, Tensor y, bool accumulate)
        where TX : unmanaged, IElement<TX>
        where TY : unmanaged, IElement<TY>
    {
        int m = x.Shape.Rows, k = x.Shape.Columns;
        var w = new QuantizedView(gpu, weight);
        float threshold = w.Format.Threshold;
        var parts = QuantizedProducts.Int8Workspace(m, k, threshold);
        using var workspace = gpu.Backend.NewTensor([(int)((parts.Bytes + sizeof(float) - 1) / sizeof(float))], DType.F32,
            MemoryKind.Workspace);
        var space = gpu.Device.Space;
        nint address = Address(workspace);
        var codes = space.View<sbyte>(address, (long)m * k);
        var scales = space.View<float>(address + (nint)parts.Scales, m);
        ArrayView<int> flags = gpu.None<int>(), outliers = flags;
        if (threshold > 0)
        {
            flags = space.View<int>(address + (nint)parts.Flags, k);
            outliers = space.View<int>(address + (nint)parts.Outliers, k + 1L);
            ListOutliers<TX>(x, threshold, address + (nint)parts.Flags, flags, outliers);
        }
        gpu.Moves(x);
        gpu.Run<RowQuantize<TX>, RowQuantizeArgs<TX>>(m, 1, new RowQuantizeArgs<TX>
        {
            Numbers = gpu.View<TX>(x), Codes = codes, Scales = scales, Columns = k, Outliers = flags, Threshold = threshold,
        });
        if (_kernels is not null && k % Chunk == 0)
        {
            MultiplyOnTensorCores(address, address + (nint)parts.Scales, w, y, k, accumulate);
        }
        else
        {
            gpu.ForEach<Int8Gemm<TY>, Int8GemmArgs<TY>>(y.Count, new Int8GemmArgs<TY>
            {
                X = codes, Weight = w.Int8Codes, XScales = scales, WeightScales = w.Scales, Y = gpu.View<TY>(y), N = y.Shape.Columns, K = k,
                Accumulate = Flag(accumulate),
            });
        }
        if (threshold > 0)
        {
            gpu.ForEach<OutlierGemm<TX, TY>, OutlierGemmArgs<TX, TY>>(y.Count, new OutlierGemmArgs<TX, TY>
            {
                X = gpu.View<TX>(x), Weight = w.Int8Codes, WeightScales = w.Scales, Columns = outliers, Y = gpu.View<TY>(y),
                N = y.Shape.Columns, K = k,
            });
        }
    }

    private void ListOutliers<TX>(Tensor x, float threshold, nint address, ArrayView<int> flags, ArrayView<int> outliers)
        where TX : unmanaged, IElement<TX>
    {
        gpu.Device.Memory.Fill(address, (byte)0, flags.Length * sizeof(int));
        gpu.Moves(x);
        gpu.Run<FlagOutliers<TX>, OutlierArgs<TX>>((flags.Length + gpu.Device.BlockSize - 1) / gpu.Device.BlockSize,
            SplitKSchedule.Count(x.Shape.Rows, RowsPerThread), new OutlierArgs<TX>
            {
                X = gpu.View<TX>(x), Flags = flags, Columns = outliers, RowsPerThread = RowsPerThread, Threshold = threshold,
            });
        gpu.Run<ListOutliers, OutlierArgs<Float32>>(1, 1, new OutlierArgs<Float32>
        {
            X = gpu.None<Float32>(), Flags = flags, Columns = outliers,
        });
    }

    // Two INT8 stand in the place of one BF16 of the kernel.
    private void MultiplyOnTensorCores(nint codes, nint scales, in QuantizedView weight, Tensor y, int k, bool accumulate)
    {
        int m = y.Shape.Rows, n = y.Shape.Columns, depth = k / 2;
        var schedule = SplitKSchedule.For(m, n, depth, MmaShape.Tile, MmaShape.Depth, gpu.Device.Processors);
        if (schedule.Splits > 1)
        {
            using var sum = gpu.StageOut(y, accumulate);
            using var partials = new Scratch(gpu, (long)schedule.Splits * m * n);
            Launch(schedule, codes, scales, weight, partials.Address, m, n, depth, bf16: false, accumulate: false);
            gpu.ForEach<SumPartials, SumPartialsArgs>((long)m * n,
                new SumPartialsArgs { Partials = partials.View, C = sum.View, Count = schedule.Splits, Accumulate = Flag(accumulate) });
            return;
        }
        Launch(schedule, codes, scales, weight, Address(y), m, n, depth, y.DType == DType.BF16, accumulate);
    }

    private void Launch(in SplitKSchedule schedule, nint codes, nint scales, in QuantizedView weight, nint y, int m, int n, int depth,
        bool bf16, bool accumulate)
    {
        int bytes = bf16 ? 2 : 4;
        bool pairs = n % 2 == 0 && y % (2 * bytes) == 0;
        var shape = new MmaShape(false, false, bf16, pairs ? ResultStore.Pairs : ResultStore.Singles, Int8: true);
        var device = gpu.Device;
        _kernels!.Load(shape); // Before the timer starts.
        device.Work = new Work(4.0 * m * n * depth, 0);
        device.Timer?.Start();
        _kernels.Run(shape, schedule, new MmaArgs
        {
            A = codes,
            B = weight.CodeAddress,
            C = y,
            StrideA = 2L * depth,
            StrideB = 2L * depth,
            StrideC = (long)bytes * n,
            M = m,
            N = n,
            K = depth,
            TilesM = schedule.TilesM,
            TilesN = schedule.TilesN,
            KPerSplit = schedule.KPerSplit,
            ElementBytes = bytes,
            Alpha = 1,
            Accumulate = Flag(accumulate),
            ScalesA = scales,
            ScalesB = weight.ScaleAddress,
        });
        if (device.Timer is not null)
        {
            device.StopTiming("INT8 product");
        }
    }

    private readonly record struct ProductLaunch(Int8GemmLauncher Launcher, Tensor X, Tensor Weight, Tensor Y, bool Accumulate)
        : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement> =>
            DTypeSwitch.Element(Y.DType, new ProductLaunch<TElement>(this));
    }

    private readonly record struct ProductLaunch<TX>(ProductLaunch Product) : IElementLaunch where TX : unmanaged, IElement<TX>
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement> =>
            Product.Launcher.Multiply<TX, TElement>(Product.X, Product.Weight, Product.Y, Product.Accumulate);
    }
}

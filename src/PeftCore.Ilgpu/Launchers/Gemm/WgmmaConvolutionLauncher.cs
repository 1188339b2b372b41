using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Convolutions on Hopper's tensor cores as implicit products: the copy engine gathers patches into shared memory while the
/// product runs (<see cref="WgmmaGemm{TMode}"/> of <see cref="PatchesOfA"/>). Tests hold the results to the CPU's, which multiplies packed
/// patches.</summary>
internal sealed class WgmmaConvolutionLauncher(LaunchContext gpu, WgmmaGemmLauncher products)
{
    /// <summary>y = P·Wᵀ + bias with the patches P of x.</summary>
    /// <param name="x">BF16 (batch, height, width, channels)</param>
    /// <param name="grid">Extents.</param>
    /// <param name="weight">BF16 (out, kernel positions·channels)</param>
    /// <param name="bias">(out), or null.</param>
    /// <param name="y">BF16 or F32 (batch, height, width, out)</param>
    public void Convolve(Tensor x, in PatchGrid grid, Tensor weight, Tensor? bias, Tensor y) =>
        Run(x, grid, weight, rowMajorB: false, bias, y, accumulate: false);

    /// <summary>dx (+)= the transposed convolution of dy: the product of the patches of dy and the flipped kernel.</summary>
    /// <param name="dy">BF16 (batch, height, width, out)</param>
    /// <param name="transposed">Extents of the convolution of dy: <see cref="PatchGrid.Transposed"/>.</param>
    /// <param name="weight">BF16 (out, kernel positions·channels)</param>
    /// <param name="dx">BF16 or F32 (batch, height, width, channels)</param>
    /// <param name="accumulate">Whether dx holds a sum already.</param>
    public void Gradient(Tensor dy, in PatchGrid transposed, Tensor weight, Tensor dx, bool accumulate) =>
        Run(dy, transposed, weight, rowMajorB: true, null, dx, accumulate);

    private unsafe void Run(Tensor x, in PatchGrid grid, Tensor weight, bool rowMajorB, Tensor? bias, Tensor y, bool accumulate)
    {
        int channelSteps = grid.Channels / GemmShape.Depth, columns = y.Shape.Columns;
        nint result = Address(y), alignment = result | 16;
        var args = new WgmmaArgs
        {
            M = grid.Rows,
            Terms = 1,
            Steps = grid.Taps * channelSteps,
            Alpha = 1,
            Accumulate = Flag(accumulate),
            Bf16Bias = Flag(bias?.DType == DType.BF16),
            Patches = new PatchExtents
            {
                ChannelSteps = channelSteps,
                Taps = grid.Taps,
                KernelWidth = grid.KernelWidth,
                OutHeight = grid.OutHeight,
                OutWidth = grid.OutWidth,
                StrideHeight = grid.StrideHeight,
                StrideWidth = grid.StrideWidth,
                PadTop = grid.PadTop,
                PadLeft = grid.PadLeft,
                DilationHeight = grid.DilationHeight,
                DilationWidth = grid.DilationWidth,
                TapRows = rowMajorB ? 0 : grid.Channels,
                TapColumns = rowMajorB ? columns : 0,
            },
        };
        var schedule = GemmSchedule.For(new GemmProblem
        {
            M = args.M,
            Widths = [columns],
            Steps = args.Steps,
            TransposeA = false,
            RowMajorB = rowMajorB,
            Bf16Result = y.DType == DType.BF16,
            Alignment = (int)(alignment & -alignment),
            GathersPatches = true,
        }, gpu.Device.Processors);
        WgmmaArguments.SetExtents(ref args, schedule, [columns], [args.Steps]);
        WgmmaArguments.SetResult(ref args, 0, result, bias is null ? 0 : Address(bias));
        byte* buffer = stackalloc byte[((GemmPtx.OperandMaps + GemmPtx.ResultMaps) * TensorMap.Bytes) + 64];
        byte* maps = (byte*)(((nint)buffer + 63) & ~(nint)63);
        TensorMap.WritePatches(maps, Address(x), grid, GemmShape.TileM, GemmShape.Depth);
        TensorMap.Write(maps + TensorMap.Bytes, Address(weight), weight.Shape.Rows, weight.Shape.Columns, schedule.Shape.BoxB);
        if (schedule.Shape.Store == ResultStore.Copied)
        {
            TensorMap.Write(maps + (GemmPtx.OperandMaps * TensorMap.Bytes), result, args.M, columns, (64, 64));
        }
        gpu.Device.Work = new Work(2.0 * args.M * columns * grid.Columns, 0);
        products.Launch(schedule, args, maps);
        gpu.Queued(y);
    }
}

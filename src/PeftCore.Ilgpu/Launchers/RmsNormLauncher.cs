using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>RMS norm (Zhang and Sennrich 2019) and its gradients: BF16 rows by a warp each, eight elements per thread; others by a thread
/// block each, in F32.</summary>
internal sealed class RmsNormLauncher(LaunchContext gpu, RowLauncher rows)
{
    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        Launch(new RmsNormLaunch(gpu, x, weight, weightOffset, rstd, null, y, epsilon), CanVectorize(x, y));

    /// <summary>Recomputes the forward pass. The vectorized kernel uses the saved rstd, so it reads each row once.</summary>
    public void RmsNormRecompute(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        Launch(new RmsNormLaunch(gpu, x, weight, weightOffset, rstd, null, y, epsilon, Recompute: true), CanVectorize(x, y));

    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight)
    {
        if (dWeight is not null)
        {
            rows.SumColumns(ColumnTerm.Rms, x, dy, null, rstd, dWeight, accumulateDWeight);
        }
        if (dx is not null)
        {
            Launch(new RmsNormLaunch(gpu, x, weight, weightOffset, rstd, dy, dx, 0, accumulateDx), CanVectorize(x, dy, dx));
        }
    }

    private static void Launch(in RmsNormLaunch launch, bool vectorize)
    {
        if (vectorize && CanVectorizeWeight(launch.Weight))
        {
            DTypeSwitch.Vector(launch.Weight.DType, launch);
            return;
        }
        DTypeSwitch.Element(launch.Weight.DType, launch);
    }

    /// <summary>An RMS norm: from x to y without <paramref name="DY"/>, from dy to dx with it.</summary>
    private readonly record struct RmsNormLaunch(
        LaunchContext Gpu, Tensor X, Tensor Weight, float Offset, Tensor Rstd, Tensor? DY, Tensor To, float Epsilon,
        bool Accumulate = false, bool Recompute = false) : IElementLaunch, IVectorLaunch
    {
        public void WithElement<TWeight>() where TWeight : unmanaged, IElement<TWeight>
        {
            if (DY is null)
            {
                Forward<TWeight>();
            }
            else
            {
                Backward<TWeight>(DY);
            }
        }

        public void WithVector<TWeight>() where TWeight : unmanaged, IVector8<TWeight>
        {
            var args = new RmsBf16x8Args<TWeight>
            {
                X = Gpu.Bf16x8(X),
                Y = Gpu.Bf16x8(To),
                DOut = Gpu.Bf16x8(DY ?? X),
                DX = Gpu.Bf16x8(To),
                Rstd = Gpu.F32(Rstd),
                Weight = Gpu.Vectors<TWeight>(Weight),
                Offset = Offset,
                Epsilon = Epsilon,
                Vectors = X.Shape.Columns / 8,
                Rows = X.Shape.Rows,
                Accumulate = Flag(Accumulate),
                HasRstd = Flag(Recompute),
            };
            int blocks = SplitKSchedule.Count(args.Rows, Gpu.Device.BlockSize / Gpu.Device.Accelerator.WarpSize);
            if (DY is null)
            {
                Gpu.Moves(X, To);
                Gpu.Run<RmsForwardBf16x8<TWeight>, RmsBf16x8Args<TWeight>>(blocks, 1, args);
            }
            else
            {
                Gpu.Moves(Accumulate ? [X, DY, To, To] : [X, DY, To]);
                Gpu.Run<RmsBackwardBf16x8<TWeight>, RmsBf16x8Args<TWeight>>(blocks, 1, args);
            }
        }

        private void Forward<TWeight>() where TWeight : unmanaged, IElement<TWeight>
        {
            using Float32Staging from = Gpu.StageIn(X), to = Gpu.StageOut(To, false);
            Gpu.Run<RmsForward<TWeight>, RmsArgs<TWeight>>(X.Shape.Rows, 1, new RmsArgs<TWeight>
            {
                X = from.View,
                Y = to.View,
                Rstd = Gpu.F32(Rstd),
                DOut = Gpu.None<float>(),
                DX = Gpu.None<float>(),
                Weight = Gpu.View<TWeight>(Weight),
                Offset = Offset,
                Epsilon = Epsilon,
                Columns = X.Shape.Columns,
            });
        }

        private void Backward<TWeight>(Tensor dy) where TWeight : unmanaged, IElement<TWeight>
        {
            using Float32Staging from = Gpu.StageIn(X), gradient = Gpu.StageIn(dy), to = Gpu.StageOut(To, Accumulate);
            Gpu.Run<RmsBackward<TWeight>, RmsArgs<TWeight>>(X.Shape.Rows, 1, new RmsArgs<TWeight>
            {
                X = from.View,
                Y = Gpu.None<float>(),
                Rstd = Gpu.F32(Rstd),
                DOut = gradient.View,
                DX = to.View,
                Weight = Gpu.View<TWeight>(Weight),
                Offset = Offset,
                Columns = X.Shape.Columns,
                Accumulate = Flag(Accumulate),
            });
        }
    }
}

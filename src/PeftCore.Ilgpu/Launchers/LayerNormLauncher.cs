using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Layer norm (Ba et al. 2016) and its gradients, one thread block per row: BF16 rows eight elements per thread, others in
/// F32.</summary>
internal sealed class LayerNormLauncher(LaunchContext gpu, RowLauncher rows)
{
    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon)
    {
        if (CanVectorize(x, y) && CanVectorizeWeight(weight) && (bias is null || (CanVectorizeWeight(bias) && bias.DType == weight.DType)))
        {
            DTypeSwitch.Vector(weight.DType, new LayerNormLaunch(gpu, x, weight, bias, mean, rstd, null, y, epsilon));
            return;
        }
        if (bias is not null && bias.DType != weight.DType)
        {
            // A pair of dtypes that is too rare for its own kernels: a second launch adds the bias.
            LayerNorm(x, weight, null, y, mean, rstd, epsilon);
            rows.AddRow(y, bias);
            return;
        }
        DTypeSwitch.Element(weight.DType, new LayerNormLaunch(gpu, x, weight, bias, mean, rstd, null, y, epsilon));
    }

    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias)
    {
        if (dWeight is not null)
        {
            rows.SumColumns(ColumnTerm.Layer, x, dy, mean, rstd, dWeight, accumulateDWeight);
        }
        if (dBias is not null)
        {
            rows.SumRows(dy, dBias, accumulateDBias);
        }
        if (dx is null)
        {
            return;
        }
        var launch = new LayerNormLaunch(gpu, x, weight, null, mean, rstd, dy, dx, 0, accumulateDx);
        if (CanVectorize(x, dy, dx) && CanVectorizeWeight(weight))
        {
            DTypeSwitch.Vector(weight.DType, launch);
            return;
        }
        DTypeSwitch.Element(weight.DType, launch);
    }

    /// <summary>A layer norm: from x to y without <paramref name="DY"/>, from dy to dx with it.</summary>
    private readonly record struct LayerNormLaunch(
        LaunchContext Gpu, Tensor X, Tensor Weight, Tensor? Bias, Tensor Mean, Tensor Rstd, Tensor? DY, Tensor To, float Epsilon,
        bool Accumulate = false) : IElementLaunch, IVectorLaunch
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
            var args = new LayerBf16x8Args<TWeight>
            {
                X = Gpu.Bf16x8(X),
                Y = Gpu.Bf16x8(To),
                DOut = Gpu.Bf16x8(DY ?? X),
                DX = Gpu.Bf16x8(To),
                Mean = Gpu.F32(Mean),
                Rstd = Gpu.F32(Rstd),
                Weight = Gpu.Vectors<TWeight>(Weight),
                Bias = Bias is null ? Gpu.None<TWeight>() : Gpu.Vectors<TWeight>(Bias),
                Epsilon = Epsilon,
                Vectors = X.Shape.Columns / 8,
                HasBias = Flag(Bias is not null),
                Accumulate = Flag(Accumulate),
            };
            if (DY is null)
            {
                Gpu.Run<LayerForwardBf16x8<TWeight>, LayerBf16x8Args<TWeight>>(X.Shape.Rows, 1, args);
            }
            else
            {
                Gpu.Run<LayerBackwardBf16x8<TWeight>, LayerBf16x8Args<TWeight>>(X.Shape.Rows, 1, args);
            }
        }

        private void Forward<TWeight>() where TWeight : unmanaged, IElement<TWeight>
        {
            using Float32Staging from = Gpu.StageIn(X), to = Gpu.StageOut(To, false);
            Gpu.Run<LayerForward<TWeight>, LayerArgs<TWeight>>(X.Shape.Rows, 1, new LayerArgs<TWeight>
            {
                X = from.View,
                Y = to.View,
                Mean = Gpu.F32(Mean),
                Rstd = Gpu.F32(Rstd),
                DOut = Gpu.None<float>(),
                DX = Gpu.None<float>(),
                Weight = Gpu.View<TWeight>(Weight),
                Bias = Bias is null ? Gpu.None<TWeight>() : Gpu.View<TWeight>(Bias),
                Epsilon = Epsilon,
                Columns = X.Shape.Columns,
                HasBias = Flag(Bias is not null),
            });
        }

        private void Backward<TWeight>(Tensor dy) where TWeight : unmanaged, IElement<TWeight>
        {
            using Float32Staging from = Gpu.StageIn(X), gradient = Gpu.StageIn(dy), to = Gpu.StageOut(To, Accumulate);
            Gpu.Run<LayerBackward<TWeight>, LayerArgs<TWeight>>(X.Shape.Rows, 1, new LayerArgs<TWeight>
            {
                X = from.View,
                Y = Gpu.None<float>(),
                Mean = Gpu.F32(Mean),
                Rstd = Gpu.F32(Rstd),
                DOut = gradient.View,
                DX = to.View,
                Weight = Gpu.View<TWeight>(Weight),
                Bias = Gpu.None<TWeight>(),
                Columns = X.Shape.Columns,
                Accumulate = Flag(Accumulate),
            });
        }
    }
}

using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon)
    {
        if (CanVectorize(x, y) && CanVectorizeWeight(weight))
        {
            RmsBf16x8(new RmsCall(x, weight, weightOffset, rstd, x, y, epsilon), backward: false);
            return;
        }
        switch (weight.DType)
        {
            case DType.F32: RmsForward<Float32>(x, weight, weightOffset, y, rstd, epsilon); break;
            case DType.BF16: RmsForward<BFloat16>(x, weight, weightOffset, y, rstd, epsilon); break;
            default: RmsForward<Float16>(x, weight, weightOffset, y, rstd, epsilon); break;
        }
    }

    /// <inheritdoc/>
    public void RmsNormRecompute(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon)
    {
        if (CanVectorize(x, y) && CanVectorizeWeight(weight))
        {
            RmsBf16x8(new RmsCall(x, weight, weightOffset, rstd, x, y, epsilon, Again: true), backward: false);
            return;
        }
        RmsNorm(x, weight, weightOffset, y, rstd, epsilon);
    }

    /// <inheritdoc/>
    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight)
    {
        if (dWeight is not null)
        {
            using Float32Staging from = StageIn(x), gradient = StageIn(dy);
            SumColumns<RmsTerm>(new ColumnSumArgs { X = from.View, Y = gradient.View, Mean = None<float>(), Rstd = F32(rstd) }, x, dWeight,
                accumulateDWeight);
        }
        if (dx is null)
        {
            return;
        }
        if (CanVectorize(x, dy, dx) && CanVectorizeWeight(weight))
        {
            RmsBf16x8(new RmsCall(x, weight, weightOffset, rstd, dy, dx, 0, accumulateDx), backward: true);
            return;
        }
        switch (weight.DType)
        {
            case DType.F32: RmsBackward<Float32>(x, weight, weightOffset, rstd, dy, dx, accumulateDx); break;
            case DType.BF16: RmsBackward<BFloat16>(x, weight, weightOffset, rstd, dy, dx, accumulateDx); break;
            default: RmsBackward<Float16>(x, weight, weightOffset, rstd, dy, dx, accumulateDx); break;
        }
    }

    /// <inheritdoc/>
    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon)
    {
        if (CanVectorize(x, y) && CanVectorizeWeight(weight) && (bias is null || (CanVectorizeWeight(bias) && bias.DType == weight.DType)))
        {
            LayerBf16x8(new LayerCall(x, weight, bias, mean, rstd, x, y, epsilon), backward: false);
            return;
        }
        if (bias is not null && bias.DType != weight.DType)
        {
            // Rare enough to go without kernels for pairs of dtypes: the bias is added by its own.
            LayerNorm(x, weight, null, y, mean, rstd, epsilon);
            AddRow(y, bias);
            return;
        }
        switch (weight.DType)
        {
            case DType.F32: LayerForward<Float32>(x, weight, bias, y, mean, rstd, epsilon); break;
            case DType.BF16: LayerForward<BFloat16>(x, weight, bias, y, mean, rstd, epsilon); break;
            default: LayerForward<Float16>(x, weight, bias, y, mean, rstd, epsilon); break;
        }
    }

    /// <inheritdoc/>
    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias)
    {
        if (dWeight is not null)
        {
            using Float32Staging from = StageIn(x), gradient = StageIn(dy);
            SumColumns<LayerTerm>(new ColumnSumArgs { X = from.View, Y = gradient.View, Mean = F32(mean), Rstd = F32(rstd) }, x, dWeight,
                accumulateDWeight);
        }
        if (dBias is not null)
        {
            SumRows(dy, dBias, accumulateDBias);
        }
        if (dx is null)
        {
            return;
        }
        if (CanVectorize(x, dy, dx) && CanVectorizeWeight(weight))
        {
            LayerBf16x8(new LayerCall(x, weight, null, mean, rstd, dy, dx, 0, accumulateDx), backward: true);
            return;
        }
        switch (weight.DType)
        {
            case DType.F32: LayerBackward<Float32>(x, weight, mean, rstd, dy, dx, accumulateDx); break;
            case DType.BF16: LayerBackward<BFloat16>(x, weight, mean, rstd, dy, dx, accumulateDx); break;
            default: LayerBackward<Float16>(x, weight, mean, rstd, dy, dx, accumulateDx); break;
        }
    }

    private void RmsForward<TWeight>(Tensor x, Tensor weight, float offset, Tensor y, Tensor rstd, float epsilon)
        where TWeight : unmanaged, IElement<TWeight>
    {
        using Float32Staging from = StageIn(x), to = StageOut(y, false);
        _device.Run<RmsForward<TWeight>, RmsArgs<TWeight>>(x.Shape.Rows, 1, new RmsArgs<TWeight>
        {
            X = from.View,
            Y = to.View,
            Rstd = F32(rstd),
            DOut = None<float>(),
            DX = None<float>(),
            Weight = View<TWeight>(weight),
            Offset = offset,
            Epsilon = epsilon,
            Columns = x.Shape.Columns,
        });
    }

    private void RmsBackward<TWeight>(Tensor x, Tensor weight, float offset, Tensor rstd, Tensor dy, Tensor dx, bool accumulate)
        where TWeight : unmanaged, IElement<TWeight>
    {
        using Float32Staging from = StageIn(x), gradient = StageIn(dy), to = StageOut(dx, accumulate);
        _device.Run<RmsBackward<TWeight>, RmsArgs<TWeight>>(x.Shape.Rows, 1, new RmsArgs<TWeight>
        {
            X = from.View,
            Y = None<float>(),
            Rstd = F32(rstd),
            DOut = gradient.View,
            DX = to.View,
            Weight = View<TWeight>(weight),
            Offset = offset,
            Columns = x.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }

    private void LayerForward<TWeight>(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon)
        where TWeight : unmanaged, IElement<TWeight>
    {
        using Float32Staging from = StageIn(x), to = StageOut(y, false);
        _device.Run<LayerForward<TWeight>, LayerArgs<TWeight>>(x.Shape.Rows, 1, new LayerArgs<TWeight>
        {
            X = from.View,
            Y = to.View,
            Mean = F32(mean),
            Rstd = F32(rstd),
            DOut = None<float>(),
            DX = None<float>(),
            Weight = View<TWeight>(weight),
            Bias = bias is null ? None<TWeight>() : View<TWeight>(bias),
            Epsilon = epsilon,
            Columns = x.Shape.Columns,
            HasBias = Flag(bias is not null),
        });
    }

    private void LayerBackward<TWeight>(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy, Tensor dx, bool accumulate)
        where TWeight : unmanaged, IElement<TWeight>
    {
        using Float32Staging from = StageIn(x), gradient = StageIn(dy), to = StageOut(dx, accumulate);
        _device.Run<LayerBackward<TWeight>, LayerArgs<TWeight>>(x.Shape.Rows, 1, new LayerArgs<TWeight>
        {
            X = from.View,
            Y = None<float>(),
            Mean = F32(mean),
            Rstd = F32(rstd),
            DOut = gradient.View,
            DX = to.View,
            Weight = View<TWeight>(weight),
            Bias = None<TWeight>(),
            Columns = x.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }
}

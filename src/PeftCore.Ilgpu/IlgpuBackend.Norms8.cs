using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <summary>An RMS norm on BF16: from x to y, or from dy to dx.</summary>
    private readonly record struct RmsCall(
        Tensor X, Tensor Weight, float Offset, Tensor Rstd, Tensor From, Tensor To, float Epsilon, bool Accumulate = false, bool Again = false);

    /// <summary>A layer norm on BF16: from x to y, or from dy to dx.</summary>
    private readonly record struct LayerCall(
        Tensor X, Tensor Weight, Tensor? Bias, Tensor Mean, Tensor Rstd, Tensor From, Tensor To, float Epsilon, bool Accumulate = false);

    private void Rms8(in RmsCall call, bool backward)
    {
        if (call.Weight.DType == DType.BF16)
        {
            Rms8<Eight>(call, backward);
        }
        else
        {
            Rms8<Wide8>(call, backward);
        }
    }

    private void Rms8<TWeight>(in RmsCall call, bool backward) where TWeight : unmanaged, IPacked<TWeight>
    {
        var args = new Rms8Args<TWeight>
        {
            X = Eights(call.X),
            Y = Eights(call.To),
            DOut = Eights(call.From),
            DX = Eights(call.To),
            Rstd = F32(call.Rstd),
            Weight = View8<TWeight>(call.Weight),
            Offset = call.Offset,
            Epsilon = call.Epsilon,
            Eights = call.X.Shape.Columns / 8,
            Rows = call.X.Shape.Rows,
            Accumulate = Flag(call.Accumulate),
            Known = Flag(call.Again),
        };
        int groups = SplitKSchedule.Count(args.Rows, _device.GroupSize / _device.Accelerator.WarpSize);
        if (backward)
        {
            Moves(call.Accumulate ? [call.X, call.From, call.To, call.To] : [call.X, call.From, call.To]);
            _device.Run<RmsBackward8<TWeight>, Rms8Args<TWeight>>(groups, 1, args);
        }
        else
        {
            Moves(call.X, call.To);
            _device.Run<RmsForward8<TWeight>, Rms8Args<TWeight>>(groups, 1, args);
        }
    }

    private void Layer8(in LayerCall call, bool backward)
    {
        if (call.Weight.DType == DType.BF16)
        {
            Layer8<Eight>(call, backward);
        }
        else
        {
            Layer8<Wide8>(call, backward);
        }
    }

    private void Layer8<TWeight>(in LayerCall call, bool backward) where TWeight : unmanaged, IPacked<TWeight>
    {
        var args = new Layer8Args<TWeight>
        {
            X = Eights(call.X),
            Y = Eights(call.To),
            DOut = Eights(call.From),
            DX = Eights(call.To),
            Mean = F32(call.Mean),
            Rstd = F32(call.Rstd),
            Weight = View8<TWeight>(call.Weight),
            Bias = call.Bias is null ? None<TWeight>() : View8<TWeight>(call.Bias),
            Epsilon = call.Epsilon,
            Eights = call.X.Shape.Columns / 8,
            HasBias = Flag(call.Bias is not null),
            Accumulate = Flag(call.Accumulate),
        };
        if (backward)
        {
            _device.Run<LayerBackward8<TWeight>, Layer8Args<TWeight>>(call.X.Shape.Rows, 1, args);
        }
        else
        {
            _device.Run<LayerForward8<TWeight>, Layer8Args<TWeight>>(call.X.Shape.Rows, 1, args);
        }
    }

    private ILGPU.ArrayView<TPacked> View8<TPacked>(Tensor tensor) where TPacked : unmanaged => _device.Space.View<TPacked>(Address(tensor), tensor.Count / 8);
}

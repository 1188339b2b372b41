using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <summary>An RMS norm on BF16: from x to y, or from dy to dx.</summary>
    private readonly record struct RmsCall(
        Tensor X, Tensor Weight, float Offset, Tensor Rstd, Tensor From, Tensor To, float Epsilon, bool Accumulate = false,
        bool Again = false);

    /// <summary>A layer norm on BF16: from x to y, or from dy to dx.</summary>
    private readonly record struct LayerCall(
        Tensor X, Tensor Weight, Tensor? Bias, Tensor Mean, Tensor Rstd, Tensor From, Tensor To, float Epsilon, bool Accumulate = false);

    private void RmsBf16x8(in RmsCall call, bool backward)
    {
        if (call.Weight.DType == DType.BF16)
        {
            RmsBf16x8<Bf16x8>(call, backward);
        }
        else
        {
            RmsBf16x8<Float32x8>(call, backward);
        }
    }

    private void RmsBf16x8<TWeight>(in RmsCall call, bool backward) where TWeight : unmanaged, IVector8<TWeight>
    {
        var args = new RmsBf16x8Args<TWeight>
        {
            X = Bf16x8View(call.X),
            Y = Bf16x8View(call.To),
            DOut = Bf16x8View(call.From),
            DX = Bf16x8View(call.To),
            Rstd = F32(call.Rstd),
            Weight = VectorView<TWeight>(call.Weight),
            Offset = call.Offset,
            Epsilon = call.Epsilon,
            Vectors = call.X.Shape.Columns / 8,
            Rows = call.X.Shape.Rows,
            Accumulate = Flag(call.Accumulate),
            Known = Flag(call.Again),
        };
        int blocks = SplitKSchedule.Count(args.Rows, _device.BlockSize / _device.Accelerator.WarpSize);
        if (backward)
        {
            Moves(call.Accumulate ? [call.X, call.From, call.To, call.To] : [call.X, call.From, call.To]);
            _device.Run<RmsBackwardBf16x8<TWeight>, RmsBf16x8Args<TWeight>>(blocks, 1, args);
        }
        else
        {
            Moves(call.X, call.To);
            _device.Run<RmsForwardBf16x8<TWeight>, RmsBf16x8Args<TWeight>>(blocks, 1, args);
        }
    }

    private void LayerBf16x8(in LayerCall call, bool backward)
    {
        if (call.Weight.DType == DType.BF16)
        {
            LayerBf16x8<Bf16x8>(call, backward);
        }
        else
        {
            LayerBf16x8<Float32x8>(call, backward);
        }
    }

    private void LayerBf16x8<TWeight>(in LayerCall call, bool backward) where TWeight : unmanaged, IVector8<TWeight>
    {
        var args = new LayerBf16x8Args<TWeight>
        {
            X = Bf16x8View(call.X),
            Y = Bf16x8View(call.To),
            DOut = Bf16x8View(call.From),
            DX = Bf16x8View(call.To),
            Mean = F32(call.Mean),
            Rstd = F32(call.Rstd),
            Weight = VectorView<TWeight>(call.Weight),
            Bias = call.Bias is null ? None<TWeight>() : VectorView<TWeight>(call.Bias),
            Epsilon = call.Epsilon,
            Vectors = call.X.Shape.Columns / 8,
            HasBias = Flag(call.Bias is not null),
            Accumulate = Flag(call.Accumulate),
        };
        if (backward)
        {
            _device.Run<LayerBackwardBf16x8<TWeight>, LayerBf16x8Args<TWeight>>(call.X.Shape.Rows, 1, args);
        }
        else
        {
            _device.Run<LayerForwardBf16x8<TWeight>, LayerBf16x8Args<TWeight>>(call.X.Shape.Rows, 1, args);
        }
    }

    private ILGPU.ArrayView<TVector> VectorView<TVector>(Tensor tensor) where TVector : unmanaged =>
        _device.Space.View<TVector>(Address(tensor), tensor.Count / 8);
}

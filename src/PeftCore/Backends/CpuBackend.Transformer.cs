using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        Norms.RmsForward(F32(x), Matrix(weight), weightOffset, F32(y), F32(rstd), x.Shape.Rows, x.Shape.Columns, epsilon, _pool);

    /// <inheritdoc/>
    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight) =>
        Norms.RmsBackward(F32(x), Matrix(weight), weightOffset, F32(rstd), F32(dy), F32OrNone(dx), accumulateDx,
            F32OrNone(dWeight), accumulateDWeight, x.Shape.Rows, x.Shape.Columns, _pool);

    /// <inheritdoc/>
    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        Norms.LayerForward(F32(x), Matrix(weight), bias is null ? default : Matrix(bias), F32(y), F32(mean), F32(rstd),
            x.Shape.Rows, x.Shape.Columns, epsilon, _pool);

    /// <inheritdoc/>
    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Norms.LayerBackward(F32(x), Matrix(weight), F32(mean), F32(rstd), F32(dy), F32OrNone(dx), accumulateDx,
            F32OrNone(dWeight), accumulateDWeight, F32OrNone(dBias), accumulateDBias, x.Shape.Rows, x.Shape.Columns, _pool);

    /// <inheritdoc/>
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        Kernels.Rope.Apply(F32(heads.Tensor), heads.Tensor.Shape.Rows, heads.Count, heads.Layout, 2 * cos.Shape.Columns, F32(cos), F32(sin),
            I32(positions), interleaved, inverse, _pool);

    /// <inheritdoc/>
    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        if (k.Tensor.DType == DType.F32)
        {
            Kernels.Attention.Forward(call.Shape, F32(q.Tensor), q.Layout, F32(k.Tensor), k.Layout, F32(v.Tensor), v.Layout,
                F32(o.Tensor), o.Layout, F32(lse), RangesOf(call), F32OrNone(call.Slopes), F32OrNone(call.Bias), _pool);
        }
        else
        {
            Kernels.Attention.Forward(call.Shape, F32(q.Tensor), q.Layout, Bytes(k.Tensor), k.Layout, Bytes(v.Tensor), v.Layout, k.Tensor.DType.Element,
                F32(o.Tensor), o.Layout, F32(lse), RangesOf(call), F32OrNone(call.Slopes), F32OrNone(call.Bias), _pool);
        }
    }

    /// <inheritdoc/>
    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias) =>
        Kernels.Attention.Backward(call.Shape, F32(q.Tensor), q.Layout, F32(k.Tensor), k.Layout, F32(v.Tensor), v.Layout,
            F32(o.Tensor), o.Layout, F32(dO.Tensor), dO.Layout, F32(lse), F32(delta),
            F32OrNone(dq?.Tensor), dq?.Layout ?? default, accumulateDq,
            F32OrNone(dk?.Tensor), dk?.Layout ?? default, accumulateDk,
            F32OrNone(dv?.Tensor), dv?.Layout ?? default, accumulateDv,
            F32OrNone(dBias), RangesOf(call), F32OrNone(call.Slopes), F32OrNone(call.Bias), _pool);

    /// <inheritdoc/>
    public void Softmax(Tensor x, Tensor y) => Kernels.CrossEntropy.Softmax(F32(x), F32(y), x.Shape.Rows, x.Shape.Columns, _pool);

    /// <inheritdoc/>
    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        Kernels.CrossEntropy.SoftmaxBackward(F32(y), F32(dy), F32(dx), y.Shape.Rows, y.Shape.Columns, accumulate, _pool);

    /// <inheritdoc/>
    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        Kernels.CrossEntropy.ForwardBackward(F32(logits), I32(labels), ignoreLabel, scale, F32(losses),
            logits.Shape.Rows, logits.Shape.Columns, writeGradient, _pool);

    private static ReadOnlySpan<int> RangesOf(in AttentionCall call) => call.Ranges is null ? [] : I32(call.Ranges);
}

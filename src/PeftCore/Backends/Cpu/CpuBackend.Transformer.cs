using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        Launch(LaunchCost.Of("rms norm", x, y), (x: At(x), weight: At(weight), weightOffset, y: At(y), rstd: At(rstd), epsilon),
            static (c, cpu) => Norms.RmsForward(c.x.F32, c.weight.Matrix, c.weightOffset, c.y.F32, c.rstd.F32, c.x.Rows, c.x.Columns,
                c.epsilon, cpu._pool));

    /// <inheritdoc/>
    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight) =>
        Launch(LaunchCost.Of("gradient of rms norm", x, dy, dx),
            (x: At(x), weight: At(weight), weightOffset, rstd: At(rstd), dy: At(dy), dx: CpuTensorView.Of(dx), accumulateDx,
                dWeight: CpuTensorView.Of(dWeight), accumulateDWeight),
            static (c, cpu) => Norms.RmsBackward(c.x.F32, c.weight.Matrix, c.weightOffset, c.rstd.F32, c.dy.F32, c.dx.F32OrNone,
                c.accumulateDx,
                c.dWeight.F32OrNone, c.accumulateDWeight, c.x.Rows, c.x.Columns, cpu._pool));

    /// <inheritdoc/>
    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        Launch(LaunchCost.Of("layer norm", x, y),
            (x: At(x), weight: At(weight), bias: CpuTensorView.Of(bias), y: At(y), mean: At(mean), rstd: At(rstd), epsilon),
            static (c, cpu) => Norms.LayerForward(c.x.F32, c.weight.Matrix, c.bias.MatrixOrNone, c.y.F32, c.mean.F32, c.rstd.F32,
                c.x.Rows, c.x.Columns, c.epsilon, cpu._pool));

    /// <inheritdoc/>
    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Launch(LaunchCost.Of("gradient of layer norm", x, dy, dx),
            (x: At(x), weight: At(weight), mean: At(mean), rstd: At(rstd), dy: At(dy), dx: CpuTensorView.Of(dx), accumulateDx,
                dWeight: CpuTensorView.Of(dWeight), accumulateDWeight, dBias: CpuTensorView.Of(dBias), accumulateDBias),
            static (c, cpu) => Norms.LayerBackward(c.x.F32, c.weight.Matrix, c.mean.F32, c.rstd.F32, c.dy.F32, c.dx.F32OrNone,
                c.accumulateDx,
                c.dWeight.F32OrNone, c.accumulateDWeight, c.dBias.F32OrNone, c.accumulateDBias, c.x.Rows, c.x.Columns, cpu._pool));

    /// <inheritdoc/>
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        Launch(LaunchCost.Of("rope", heads.Tensor, heads.Tensor),
            (x: At(heads.Tensor), heads.Count, heads.Layout, cos: At(cos), sin: At(sin), positions: At(positions), interleaved, inverse),
            static (c, cpu) => Kernels.Rope.Apply(c.x.F32, c.x.Rows, c.Count, c.Layout, 2 * c.cos.Columns, c.cos.F32, c.sin.F32,
                c.positions.I32,
                c.interleaved, c.inverse, cpu._pool));

    /// <inheritdoc/>
    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) =>
        Launch(new LaunchCost("attention", new Work(call.Flops, 0)),
            (call: new Attended(call, q, k, v), o: At(o.Tensor), o.Layout, lse: At(lse)),
            static (c, cpu) => cpu.Attention(c.call, c.o, c.Layout, c.lse));

    private void Attention(in Attended call, CpuTensorView o, HeadLayout layout, CpuTensorView lse)
    {
        if (call.K.DType == DType.F32)
        {
            Kernels.Attention.Forward(call.Shape, call.Q.F32, call.QLayout, call.K.F32, call.KLayout, call.V.F32, call.VLayout,
                o.F32, layout, lse.F32, call.Ranges.I32OrNone, call.Slopes.F32OrNone, call.Bias.F32OrNone, _pool);
        }
        else
        {
            Kernels.Attention.Forward(call.Shape, call.Q.F32, call.QLayout, call.K.Bytes, call.KLayout, call.V.Bytes, call.VLayout,
                call.K.DType.Element,
                o.F32, layout, lse.F32, call.Ranges.I32OrNone, call.Slopes.F32OrNone, call.Bias.F32OrNone, _pool);
        }
    }

    /// <inheritdoc/>
    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias) =>
        Launch(new LaunchCost("gradient of attention", new Work(call.GradientFlops, 0)),
            (call: new Attended(call, q, k, v), o: At(o.Tensor), oLayout: o.Layout, dO: At(dO.Tensor), dOLayout: dO.Layout, lse: At(lse),
                delta: At(delta),
                dq: CpuTensorView.Of(dq?.Tensor), dqLayout: dq?.Layout
                ?? default, accumulateDq, dk: CpuTensorView.Of(dk?.Tensor), dkLayout: dk?.Layout
                ?? default, accumulateDk,
                dv: CpuTensorView.Of(dv?.Tensor), dvLayout: dv?.Layout ?? default, accumulateDv, dBias: CpuTensorView.Of(dBias)),
            static (c, cpu) => Kernels.Attention.Backward(c.call.Shape, c.call.Q.F32, c.call.QLayout, c.call.K.F32, c.call.KLayout,
                c.call.V.F32, c.call.VLayout,
                c.o.F32, c.oLayout, c.dO.F32, c.dOLayout, c.lse.F32, c.delta.F32,
                c.dq.F32OrNone, c.dqLayout, c.accumulateDq, c.dk.F32OrNone, c.dkLayout, c.accumulateDk, c.dv.F32OrNone, c.dvLayout,
                c.accumulateDv,
                c.dBias.F32OrNone, c.call.Ranges.I32OrNone, c.call.Slopes.F32OrNone, c.call.Bias.F32OrNone, cpu._pool));

    /// <inheritdoc/>
    public void Softmax(Tensor x, Tensor y) =>
        Launch(LaunchCost.Of("softmax", x, y), (x: At(x), y: At(y)),
            static (c, cpu) => Kernels.CrossEntropy.Softmax(c.x.F32, c.y.F32, c.x.Rows, c.x.Columns, cpu._pool));

    /// <inheritdoc/>
    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of softmax", y, dy, dx), (y: At(y), dy: At(dy), dx: At(dx), accumulate),
            static (c, cpu) => Kernels.CrossEntropy.SoftmaxBackward(c.y.F32, c.dy.F32, c.dx.F32, c.y.Rows, c.y.Columns, c.accumulate,
                cpu._pool));

    /// <inheritdoc/>
    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient) =>
        Launch(LaunchCost.Of("cross-entropy", logits, writeGradient ? logits : null),
            (logits: At(logits), labels: At(labels), ignoreLabel, scale, losses: At(losses), writeGradient),
            static (c, cpu) => Kernels.CrossEntropy.ForwardBackward(c.logits.F32, c.labels.I32, c.ignoreLabel, c.scale, c.losses.F32,
                c.logits.Rows, c.logits.Columns, c.writeGradient, cpu._pool));

    /// <summary>What both directions of attention read.</summary>
    private readonly struct Attended(in AttentionCall call, Heads q, Heads k, Heads v)
    {
        public AttentionShape Shape { get; } = call.Shape;
        public CpuTensorView Q { get; } = At(q.Tensor);
        public HeadLayout QLayout { get; } = q.Layout;
        public CpuTensorView K { get; } = At(k.Tensor);
        public HeadLayout KLayout { get; } = k.Layout;
        public CpuTensorView V { get; } = At(v.Tensor);
        public HeadLayout VLayout { get; } = v.Layout;
        public CpuTensorView? Ranges { get; } = CpuTensorView.Of(call.Ranges);
        public CpuTensorView? Slopes { get; } = CpuTensorView.Of(call.Slopes);
        public CpuTensorView? Bias { get; } = CpuTensorView.Of(call.Bias);
    }
}

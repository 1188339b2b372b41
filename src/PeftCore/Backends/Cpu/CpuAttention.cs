using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Attention and rotary position embedding.</summary>
internal sealed class CpuAttention(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse) =>
        Launch(LaunchCost.Of("rope", heads.Tensor, heads.Tensor),
            (x: Out(heads.Tensor), heads.Count, heads.Layout, cos: In(cos), sin: In(sin), positions: In(positions), interleaved, inverse),
            static (c, s) => Kernels.Rope.Apply(c.x.F32, c.x.Rows, c.Count, c.Layout, 2 * c.cos.Columns, c.cos.F32, c.sin.F32,
                c.positions.I32, c.interleaved, c.inverse, s.Pool));

    public void Forward(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) =>
        Launch(LaunchCost.OfFlops("attention", call.Flops),
            (inputs: new Inputs(call, q, k, v), o: Out(o.Tensor), o.Layout, lse: Out(lse)),
            static (c, s) => Forward(c.inputs, c.o, c.Layout, c.lse, s));

    public void Gradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias, Tensor? dSinks) =>
        Launch(LaunchCost.OfFlops("gradient of attention", call.GradientFlops),
            (inputs: new Inputs(call, q, k, v), o: In(o.Tensor), oLayout: o.Layout, dO: In(dO.Tensor), dOLayout: dO.Layout, lse: In(lse),
                delta: Out(delta), dq: OutOrNull(dq?.Tensor), dqLayout: dq?.Layout ?? default, accumulateDq,
                dk: OutOrNull(dk?.Tensor), dkLayout: dk?.Layout ?? default, accumulateDk,
                dv: OutOrNull(dv?.Tensor), dvLayout: dv?.Layout ?? default, accumulateDv, dBias: OutOrNull(dBias),
                dSinks: OutOrNull(dSinks)),
            static (c, s) => Kernels.Attention.Backward(c.inputs.Shape, c.inputs.Q.F32, c.inputs.QLayout, c.inputs.K.F32, c.inputs.KLayout,
                c.inputs.V.F32, c.inputs.VLayout, c.o.F32, c.oLayout, c.dO.F32, c.dOLayout, c.lse.F32, c.delta.F32,
                c.dq.F32OrEmpty, c.dqLayout, c.accumulateDq, c.dk.F32OrEmpty, c.dkLayout, c.accumulateDk,
                c.dv.F32OrEmpty, c.dvLayout, c.accumulateDv, c.dBias.F32OrEmpty, c.dSinks.F32OrEmpty,
                c.inputs.TermsAt(s.ReplayedPasses), s.Pool));

    private static void Forward(in Inputs inputs, CpuTensorView o, HeadLayout layout, CpuTensorView lse, CpuStream stream)
    {
        var terms = inputs.TermsAt(stream.ReplayedPasses);
        if (inputs.K.DType == DType.F32)
        {
            Kernels.Attention.Forward(inputs.Shape, inputs.Q.F32, inputs.QLayout, inputs.K.F32, inputs.KLayout, inputs.V.F32,
                inputs.VLayout, o.F32, layout, lse.F32, terms, stream.Pool);
        }
        else
        {
            Kernels.Attention.Forward(inputs.Shape, inputs.Q.F32, inputs.QLayout, inputs.K.Bytes, inputs.KLayout, inputs.V.Bytes,
                inputs.VLayout, inputs.K.DType.Element, o.F32, layout, lse.F32, terms, stream.Pool);
        }
    }

    /// <summary>The inputs of both passes.</summary>
    private readonly struct Inputs(in AttentionCall call, Heads q, Heads k, Heads v)
    {
        public AttentionShape Shape { get; } = call.Shape;
        public CpuTensorView Q { get; } = In(q.Tensor);
        public HeadLayout QLayout { get; } = q.Layout;
        public CpuTensorView K { get; } = In(k.Tensor);
        public HeadLayout KLayout { get; } = k.Layout;
        public CpuTensorView V { get; } = In(v.Tensor);
        public HeadLayout VLayout { get; } = v.Layout;
        private readonly CpuTensorView? _ranges = InOrNull(call.Ranges), _slopes = InOrNull(call.Slopes), _bias = InOrNull(call.Bias),
            _sinks = InOrNull(call.Sinks);
        private readonly BiasStrides _biasStrides = call.BiasStrides;
        private readonly AttentionDropout _dropout = call.Dropout;

        /// <summary>The terms so many passes after the captured one: each pass draws another mask.</summary>
        public AttentionTerms TermsAt(ulong passes) => new()
        {
            Ranges = _ranges.I32OrEmpty,
            Slopes = _slopes.F32OrEmpty,
            Bias = _bias.F32OrEmpty,
            BiasStrides = _biasStrides,
            Sinks = _sinks.F32OrEmpty,
            Dropout = _dropout with { Stream = _dropout.Stream + passes },
        };
    }
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Causal convolution and the gated delta rule.</summary>
internal sealed class CpuLinearAttention(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Convolution(Tensor x, Tensor taps, Tensor positions, Tensor y) =>
        Launch(LaunchCost.Of("causal convolution", x, y), (x: In(x), taps: In(taps), positions: In(positions), y: Out(y)),
            static (c, s) => CausalConvolution.Forward(c.x.F32, c.taps.F32, c.positions.I32, c.y.F32, ShapeOf(c.x, c.taps), s.Pool));

    public void ConvolutionGradient(Tensor dy, Tensor taps, Tensor positions, Tensor dx, bool accumulate) =>
        Launch(LaunchCost.Of("gradient of causal convolution", dy, dx),
            (dy: In(dy), taps: In(taps), positions: In(positions), dx: Out(dx), accumulate),
            static (c, s) => CausalConvolution.InputGradient(c.dy.F32, c.taps.F32, c.positions.I32, c.dx.F32, ShapeOf(c.dy, c.taps),
                c.accumulate, s.Pool));

    public void ConvolutionTaps(Tensor dy, Tensor x, Tensor positions, Tensor dTaps) =>
        Launch(LaunchCost.Of("gradient of taps", dy, x), (dy: In(dy), x: In(x), positions: In(positions), dTaps: Out(dTaps)),
            static (c, s) => CausalConvolution.TapGradient(c.dy.F32, c.x.F32, c.positions.I32, c.dTaps.F32, ShapeOf(c.x, c.dTaps),
                s.Pool));

    public void Delta(DeltaShape shape, in DeltaTensors t, Tensor o, Tensor? state) =>
        Launch(CostOf(shape, 8), (shape, t: new Views(t), o: Out(o), state: OutOrNull(state)),
            static (c, s) => GatedDelta.Forward(c.shape, c.t.Operands, c.o.F32, c.state.F32OrEmpty, s.Pool));

    public void DeltaGradient(DeltaShape shape, in DeltaTensors t, Tensor dO, Tensor? dq, Tensor? dk, Tensor? dv, Tensor? dg,
        Tensor? dBeta) =>
        Launch(CostOf(shape, 32), (shape, t: new Views(t), dO: In(dO), dq: OutOrNull(dq), dk: OutOrNull(dk), dv: OutOrNull(dv),
            dg: OutOrNull(dg), dBeta: OutOrNull(dBeta)), static (c, s) =>
            GatedDeltaGradient.Run(c.shape, c.t.Operands, c.dO.F32, new DeltaGradients(c.dq.F32OrEmpty, c.dk.F32OrEmpty, c.dv.F32OrEmpty,
                c.dg.F32OrEmpty, c.dBeta.F32OrEmpty), s.Pool));

    private static LaunchCost CostOf(DeltaShape shape, double each) => LaunchCost.OfFlops("gated delta rule",
        each * shape.Batch * shape.Length * shape.ValueHeads * shape.StateCount);

    private static ConvolutionShape ShapeOf(CpuTensorView x, CpuTensorView taps) => new(x.Rows, x.Shape[1], x.Columns, taps.Rows);

    private readonly struct Views(in DeltaTensors t)
    {
        private readonly CpuTensorView _q = In(t.Q), _k = In(t.K), _v = In(t.V), _g = In(t.G), _beta = In(t.Beta),
            _positions = In(t.Positions);

        public DeltaOperands Operands => new(_q.F32, _k.F32, _v.F32, _g.F32, _beta.F32, _positions.I32);
    }
}

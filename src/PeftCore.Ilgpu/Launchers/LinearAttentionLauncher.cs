using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Portable.LinearAttention;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Causal convolution and the gated delta rule, in F32.</summary>
internal sealed class LinearAttentionLauncher(LaunchContext gpu)
{
    public void Convolution(Tensor x, Tensor taps, Tensor positions, Tensor y)
    {
        using Float32Staging from = gpu.StageIn(x), to = gpu.StageOut(y, false);
        gpu.ForEach<ConvolutionForward, ConvolutionArgs>(y.Count,
            ArgsOf(x.Shape, taps, positions) with { X = from.View, Y = to.View });
    }

    public void ConvolutionGradient(Tensor dy, Tensor taps, Tensor positions, Tensor dx, bool accumulate)
    {
        using Float32Staging gradient = gpu.StageIn(dy), to = gpu.StageOut(dx, accumulate);
        gpu.ForEach<ConvolutionInput, ConvolutionArgs>(dx.Count,
            ArgsOf(dx.Shape, taps, positions) with { DOut = gradient.View, Y = to.View, Accumulate = Flag(accumulate) });
    }

    public void ConvolutionTaps(Tensor dy, Tensor x, Tensor positions, Tensor dTaps)
    {
        using Float32Staging gradient = gpu.StageIn(dy), from = gpu.StageIn(x), to = gpu.StageOut(dTaps, false);
        gpu.ForEach<Kernels.Ilgpu.Portable.LinearAttention.ConvolutionTaps, ConvolutionArgs>(dTaps.Count,
            ArgsOf(x.Shape, to.Tensor, positions) with { DOut = gradient.View, X = from.View });
    }

    public void Delta(DeltaShape shape, in DeltaTensors t, Tensor o, Tensor? state)
    {
        using var own = new Scratch(gpu, state is null ? (long)shape.Batch * shape.ValueHeads * shape.StateCount : 0);
        gpu.ForEach<DeltaForward, DeltaArgs>((long)shape.Batch * shape.ValueHeads * shape.ValueDim, ArgsOf(shape, t) with
        {
            O = gpu.F32(o),
            States = state is null ? own.View : gpu.F32(state),
            Zero = Flag(state is null),
        });
        gpu.Written(o);
    }

    public void DeltaGradient(DeltaShape shape, in DeltaTensors t, Tensor dO, Tensor? dq, Tensor? dk, Tensor? dv, Tensor? dg,
        Tensor? dBeta)
    {
        int blocks = shape.Batch * shape.KeyHeads;
        using var states = new Scratch(gpu, (long)blocks * shape.BackwardStates * shape.StateCount);
        using var gradient = new Scratch(gpu, (long)blocks * shape.StateCount);
        using var rows = new Scratch(gpu, 2L * blocks * shape.ValueDim);
        gpu.Run<DeltaBackward, DeltaArgs>(shape.Length == 0 ? 0 : blocks, 1, ArgsOf(shape, t) with
        {
            O = gpu.F32(dO),
            States = states.View,
            Gradient = gradient.View,
            Rows = rows.View,
            DQ = gpu.F32OrNone(dq),
            DK = gpu.F32OrNone(dk),
            DV = gpu.F32OrNone(dv),
            DG = gpu.F32OrNone(dg),
            DBeta = gpu.F32OrNone(dBeta),
        });
        foreach (var written in (ReadOnlySpan<Tensor?>)[dq, dk, dv, dg, dBeta])
        {
            if (written is not null)
            {
                gpu.Written(written);
            }
        }
    }

    private ConvolutionArgs ArgsOf(Shape x, Tensor taps, Tensor positions) => new()
    {
        X = gpu.None<float>(),
        Y = gpu.None<float>(),
        DOut = gpu.None<float>(),
        Taps = gpu.F32(taps),
        Positions = gpu.I32(positions),
        Rows = x.Rows,
        Length = x[1],
        Columns = x.Columns,
        Count = taps.Shape.Rows,
    };

    private DeltaArgs ArgsOf(DeltaShape shape, in DeltaTensors t) => new()
    {
        Q = gpu.F32(t.Q),
        K = gpu.F32(t.K),
        V = gpu.F32(t.V),
        G = gpu.F32(t.G),
        Beta = gpu.F32(t.Beta),
        O = gpu.None<float>(),
        States = gpu.None<float>(),
        DQ = gpu.None<float>(),
        DK = gpu.None<float>(),
        DV = gpu.None<float>(),
        DG = gpu.None<float>(),
        DBeta = gpu.None<float>(),
        Gradient = gpu.None<float>(),
        Rows = gpu.None<float>(),
        Positions = gpu.I32(t.Positions),
        Batch = shape.Batch,
        Length = shape.Length,
        KeyHeads = shape.KeyHeads,
        ValueHeads = shape.ValueHeads,
        KeyDim = shape.KeyDim,
        ValueDim = shape.ValueDim,
        Chunk = DeltaShape.Chunk,
        Chunks = shape.Chunks,
    };
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Root-mean-square and layer normalization.</summary>
internal sealed class CpuNorms(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void RmsNorm(Tensor x, Tensor weight, float weightOffset, Tensor y, Tensor rstd, float epsilon) =>
        Launch(LaunchCost.Of("rms norm", x, y), (x: In(x), weight: In(weight), weightOffset, y: Out(y), rstd: Out(rstd), epsilon),
            static (c, s) => Norms.RmsForward(c.x.F32, c.weight.Matrix, c.weightOffset, c.y.F32, c.rstd.F32, c.x.Rows, c.x.Columns,
                c.epsilon, s.Pool));

    public void RmsNormGradient(Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight) =>
        Launch(LaunchCost.Of("gradient of rms norm", x, dy, dx),
            (x: In(x), weight: In(weight), weightOffset, rstd: In(rstd), dy: In(dy), dx: OutOrNull(dx), accumulateDx,
                dWeight: OutOrNull(dWeight), accumulateDWeight),
            static (c, s) => Norms.RmsBackward(c.x.F32, c.weight.Matrix, c.weightOffset, c.rstd.F32, c.dy.F32, c.dx.F32OrEmpty,
                c.accumulateDx, c.dWeight.F32OrEmpty, c.accumulateDWeight, c.x.Rows, c.x.Columns, s.Pool));

    public void LayerNorm(Tensor x, Tensor weight, Tensor? bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        Launch(LaunchCost.Of("layer norm", x, y),
            (x: In(x), weight: In(weight), bias: InOrNull(bias), y: Out(y), mean: Out(mean), rstd: Out(rstd), epsilon),
            static (c, s) => Norms.LayerForward(c.x.F32, c.weight.Matrix, c.bias.MatrixOrEmpty, c.y.F32, c.mean.F32, c.rstd.F32,
                c.x.Rows, c.x.Columns, c.epsilon, s.Pool));

    public void LayerNormGradient(Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Launch(LaunchCost.Of("gradient of layer norm", x, dy, dx),
            (x: In(x), weight: In(weight), mean: In(mean), rstd: In(rstd), dy: In(dy), dx: OutOrNull(dx), accumulateDx,
                dWeight: OutOrNull(dWeight), accumulateDWeight, dBias: OutOrNull(dBias), accumulateDBias),
            static (c, s) => Norms.LayerBackward(c.x.F32, c.weight.Matrix, c.mean.F32, c.rstd.F32, c.dy.F32, c.dx.F32OrEmpty,
                c.accumulateDx, c.dWeight.F32OrEmpty, c.accumulateDWeight, c.dBias.F32OrEmpty, c.accumulateDBias, c.x.Rows, c.x.Columns,
                s.Pool));
}

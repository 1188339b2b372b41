using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Patches of convolutions, and group normalization.</summary>
internal sealed class CpuConvolutions(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void Pack(Tensor x, PatchGrid grid, int group, int first, Tensor p) =>
        Launch(LaunchCost.Of("patches", x, p), (x: In(x), grid, group, first, p: Out(p)),
            static (c, s) => PatchPacking.Pack(c.x.F32, c.grid, c.group, c.first, c.p.F32, c.p.Rows, s.Pool));

    public void Add(Tensor dp, PatchGrid grid, int group, int first, Tensor dx) =>
        Launch(LaunchCost.Of("gradient of patches", dp, dx), (dp: In(dp), grid, group, first, dx: Out(dx)),
            static (c, s) => PatchPacking.Unpack(c.dp.F32, c.grid, c.group, c.first, c.dp.Rows, c.dx.F32, s.Pool));

    public void GroupNorm(GroupShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Tensor mean, Tensor rstd, float epsilon) =>
        Launch(LaunchCost.Of("group norm", x, y),
            (shape, x: In(x), weight: In(weight), bias: In(bias), y: Out(y), mean: Out(mean), rstd: Out(rstd), epsilon),
            static (c, s) => GroupNorms.Forward(c.shape, c.x.F32, c.weight.Matrix, c.bias.Matrix, c.y.F32, c.mean.F32, c.rstd.F32,
                c.epsilon, s.Pool));

    public void GroupNormGradient(GroupShape shape, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Launch(LaunchCost.Of("gradient of group norm", x, dy, dx),
            (shape, x: In(x), weight: In(weight), mean: In(mean), rstd: In(rstd), dy: In(dy), dx: OutOrNull(dx), accumulateDx,
                dWeight: OutOrNull(dWeight), accumulateDWeight, dBias: OutOrNull(dBias), accumulateDBias),
            static (c, s) => GroupNorms.Backward(c.shape, c.x.F32, c.weight.Matrix, c.mean.F32, c.rstd.F32, c.dy.F32, c.dx.F32OrEmpty,
                c.accumulateDx, c.dWeight.F32OrEmpty, c.accumulateDWeight, c.dBias.F32OrEmpty, c.accumulateDBias, s.Pool));
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class MetaBackend
{
    // ---- Mixtures of experts ----

    internal override void TopK(Tensor scores, Tensor? bias, ExpertGroups groups, Tensor chosen) { }

    internal override void TakeColumns(Tensor x, Tensor chosen, Tensor y) { }

    internal override void TakeColumnsGradient(Tensor dy, Tensor chosen, Tensor dx, bool accumulate) { }

    internal override void SortByExpert(Tensor chosen, Tensor order, Tensor position, Tensor experts, Tensor offsets) { }

    internal override void DispatchRows(Tensor x, Tensor order, Tensor y, bool accumulate) { }

    internal override void CombineRows(Tensor x, Tensor position, Tensor y, bool accumulate) { }

    internal override void RoutedGlu<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor h) { }

    internal override void RoutedGluGradient<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor dh, Tensor? dx, Tensor? dWeights,
        bool accumulateDWeights)
    { }

    internal override void RaggedMatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha = 1,
        bool accumulate = false)
    {
        ReadOperands(a, b);
        StageProduct(c);
        Flops += 2.0 * c.Count * a.Shape.Columns;
    }

    internal override void RaggedMatMulGradient(Tensor a, Tensor b, Tensor offsets, Tensor c, float alpha, bool accumulate) =>
        Flops += 2.0 * a.Count * b.Shape.Columns;

    // ---- Linear attention ----

    internal override void CausalConvolution(Tensor x, Tensor taps, Tensor positions, Tensor y) =>
        Stage(x, y);

    internal override void CausalConvolutionGradient(Tensor dy, Tensor taps, Tensor positions, Tensor dx, bool accumulate) =>
        Stage(dy, dx);

    internal override void CausalConvolutionTaps(Tensor dy, Tensor x, Tensor positions, Tensor dTaps) =>
        Stage(dy, x, dTaps);

    internal override void GatedDelta(DeltaShape shape, in DeltaTensors t, Tensor o, Tensor? state) =>
        Flops += 8.0 * shape.Batch * shape.Length * shape.ValueHeads * shape.StateCount;

    internal override void GatedDeltaGradient(DeltaShape shape, in DeltaTensors t, Tensor dO, Tensor? dq, Tensor? dk, Tensor? dv,
        Tensor? dg, Tensor? dBeta) =>
        Flops += 32.0 * shape.Batch * shape.Length * shape.ValueHeads * shape.StateCount;

    internal override bool ConvolvesImplicitly => _tensorCores;

    internal override void WeightChannelsLast(Tensor weight, int channels, Tensor channelsLast) { }

    internal override void Convolve(Tensor x, in PatchGrid grid, Tensor channelsLast, Tensor? bias, Tensor y) =>
        Flops += 2.0 * y.Count * grid.Columns;

    internal override void ConvolveGradient(Tensor dy, in PatchGrid grid, Tensor channelsLast, Tensor dx, bool accumulate) =>
        Flops += 2.0 * dy.Count * grid.Columns;

    internal override void Patches(Tensor x, int size, Tensor y) { }

    internal override void PatchesGradient(Tensor dy, int size, Tensor dx, bool accumulate) { }

    // ---- Convolutions ----

    internal override void PackPatches(Tensor x, in PatchGrid grid, int group, int first, Tensor p) { }

    internal override void AddPatches(Tensor dp, in PatchGrid grid, int group, int first, Tensor dx) { }

    internal override void GroupNorm(GroupShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Tensor mean, Tensor rstd,
        float epsilon) =>
        Stage(weight, bias);

    internal override void GroupNormGradient(GroupShape shape, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Stage(weight);
}

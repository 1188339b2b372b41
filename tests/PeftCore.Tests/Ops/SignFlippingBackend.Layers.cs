using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

internal sealed partial class SignFlippingBackend
{
    // The choice and the order of experts are integers, which have no sign.
    internal override void TopK(Tensor scores, Tensor? bias, ExpertGroups groups, Tensor chosen) =>
        _inner.TopK(scores, bias, groups, chosen);

    internal override void SortByExpert(Tensor chosen, Tensor order, Tensor position, Tensor experts, Tensor offsets) =>
        _inner.SortByExpert(chosen, order, position, experts, offsets);

    internal override void TakeColumns(Tensor x, Tensor chosen, Tensor y) =>
        Run("TakeColumns", () => _inner.TakeColumns(x, chosen, y), Over("y", y));

    internal override void TakeColumnsGradient(Tensor dy, Tensor chosen, Tensor dx, bool accumulate) =>
        Run("TakeColumnsGradient", () => _inner.TakeColumnsGradient(dy, chosen, dx, accumulate), Over("dx", dx, accumulate));

    internal override void DispatchRows(Tensor x, Tensor order, Tensor y, bool accumulate) =>
        Run("DispatchRows", () => _inner.DispatchRows(x, order, y, accumulate), Over("y", y, accumulate));

    internal override void CombineRows(Tensor x, Tensor position, Tensor y, bool accumulate) =>
        Run("CombineRows", () => _inner.CombineRows(x, position, y, accumulate), Over("y", y, accumulate));

    internal override void RoutedGlu<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor h) =>
        Run("RoutedGlu", () => _inner.RoutedGlu<TGlu>(x, weights, order, h), Over("h", h));

    internal override void RoutedGluGradient<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor dh, Tensor? dx, Tensor? dWeights,
        bool accumulateDWeights) =>
        Run("RoutedGluGradient", () => _inner.RoutedGluGradient<TGlu>(x, weights, order, dh, dx, dWeights, accumulateDWeights),
            OverIf("dx", dx, added: false), OverIf("dWeights", dWeights, accumulateDWeights));

    internal override void RaggedMatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha = 1,
        bool accumulate = false) =>
        Run("RaggedMatMul", () => _inner.RaggedMatMul(a, b, transposeB, offsets, c, alpha, accumulate), Over("c", c, accumulate));

    internal override void RaggedMatMulGradient(Tensor a, Tensor b, Tensor offsets, Tensor c, float alpha, bool accumulate) =>
        Run("RaggedMatMulGradient", () => _inner.RaggedMatMulGradient(a, b, offsets, c, alpha, accumulate), Over("c", c, accumulate));

    internal override void CausalConvolution(Tensor x, Tensor taps, Tensor positions, Tensor y) =>
        Run("CausalConvolution", () => _inner.CausalConvolution(x, taps, positions, y), Over("y", y));

    internal override void CausalConvolutionGradient(Tensor dy, Tensor taps, Tensor positions, Tensor dx, bool accumulate) =>
        Run("CausalConvolutionGradient", () => _inner.CausalConvolutionGradient(dy, taps, positions, dx, accumulate),
            Over("dx", dx, accumulate));

    internal override void CausalConvolutionTaps(Tensor dy, Tensor x, Tensor positions, Tensor dTaps) =>
        Run("CausalConvolutionTaps", () => _inner.CausalConvolutionTaps(dy, x, positions, dTaps), Over("dTaps", dTaps));

    internal override void GatedDelta(DeltaShape shape, in DeltaTensors t, Tensor o, Tensor? state)
    {
        var copy = t;
        Run("GatedDelta", () => _inner.GatedDelta(shape, copy, o, state), Over("o", o));
    }

    internal override void GatedDeltaGradient(DeltaShape shape, in DeltaTensors t, Tensor dO, Tensor? dq, Tensor? dk, Tensor? dv,
        Tensor? dg, Tensor? dBeta)
    {
        var copy = t;
        Run("GatedDeltaGradient", () => _inner.GatedDeltaGradient(shape, copy, dO, dq, dk, dv, dg, dBeta), OverIf("dq", dq, added: false),
            OverIf("dk", dk, added: false), OverIf("dv", dv, added: false), OverIf("dg", dg, added: false),
            OverIf("dBeta", dBeta, added: false));
    }

    internal override void Patches(Tensor x, int size, Tensor y) => Run("Patches", () => _inner.Patches(x, size, y), Over("y", y));

    internal override void PatchesGradient(Tensor dy, int size, Tensor dx, bool accumulate) =>
        Run("PatchesGradient", () => _inner.PatchesGradient(dy, size, dx, accumulate), Over("dx", dx, accumulate));

    internal override void PackPatches(Tensor x, in PatchGrid grid, int group, int first, Tensor p)
    {
        var copy = grid;
        Run("PackPatches", () => _inner.PackPatches(x, copy, group, first, p), Over("p", p));
    }

    internal override void AddPatches(Tensor dp, in PatchGrid grid, int group, int first, Tensor dx)
    {
        var copy = grid;
        Run("AddPatches", () => _inner.AddPatches(dp, copy, group, first, dx), Over("dx", dx, added: true));
    }

    internal override void GroupNorm(GroupShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Tensor mean, Tensor rstd,
        float epsilon) =>
        Run("GroupNorm", () => _inner.GroupNorm(shape, x, weight, bias, y, mean, rstd, epsilon), Over("y", y), Over("mean", mean),
            Over("rstd", rstd));

    internal override void GroupNormGradient(GroupShape shape, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        Run("GroupNormGradient", () => _inner.GroupNormGradient(shape, x, weight, mean, rstd, dy, dx, accumulateDx, dWeight,
            accumulateDWeight, dBias, accumulateDBias),
            OverIf("dx", dx, accumulateDx), OverIf("dWeight", dWeight, accumulateDWeight), OverIf("dBias", dBias, accumulateDBias));
}

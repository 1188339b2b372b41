using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private readonly ExpertLauncher _experts;
    private readonly LinearAttentionLauncher _linearAttention;
    private readonly PatchLauncher _patches;
    private readonly ConvolutionLauncher _convolutions;

    // ---- Mixtures of experts ----

    internal override void TopK(Tensor scores, Tensor? bias, ExpertGroups groups, Tensor chosen) =>
        _experts.TopK(scores, bias, groups, chosen);

    internal override void TakeColumns(Tensor x, Tensor chosen, Tensor y) => _experts.TakeColumns(x, chosen, y);

    internal override void TakeColumnsGradient(Tensor dy, Tensor chosen, Tensor dx, bool accumulate) =>
        _experts.TakeColumnsGradient(dy, chosen, dx, accumulate);

    internal override void SortByExpert(Tensor chosen, Tensor order, Tensor position, Tensor experts, Tensor offsets) =>
        _experts.SortByExpert(chosen, order, position, experts, offsets);

    internal override void DispatchRows(Tensor x, Tensor order, Tensor y, bool accumulate) =>
        _experts.DispatchRows(x, order, y, accumulate);

    internal override void CombineRows(Tensor x, Tensor position, Tensor y, bool accumulate) =>
        _experts.CombineRows(x, position, y, accumulate);

    internal override void RoutedGlu<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor h) =>
        _experts.RoutedGlu<TGlu>(x, weights, order, h);

    internal override void RoutedGluGradient<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor dh, Tensor? dx, Tensor? dWeights,
        bool accumulateDWeights) =>
        _experts.RoutedGluGradient<TGlu>(x, weights, order, dh, dx, dWeights, accumulateDWeights);

    internal override void RaggedMatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha = 1,
        bool accumulate = false) =>
        _experts.RaggedMatMul(a, b, transposeB, offsets, c, alpha, accumulate);

    internal override void RaggedMatMulGradient(Tensor a, Tensor b, Tensor offsets, Tensor c, float alpha, bool accumulate) =>
        _experts.RaggedMatMulGradient(a, b, offsets, c, alpha, accumulate);

    // ---- Linear attention ----

    internal override void CausalConvolution(Tensor x, Tensor taps, Tensor positions, Tensor y) =>
        _linearAttention.Convolution(x, taps, positions, y);

    internal override void CausalConvolutionGradient(Tensor dy, Tensor taps, Tensor positions, Tensor dx, bool accumulate) =>
        _linearAttention.ConvolutionGradient(dy, taps, positions, dx, accumulate);

    internal override void CausalConvolutionTaps(Tensor dy, Tensor x, Tensor positions, Tensor dTaps) =>
        _linearAttention.ConvolutionTaps(dy, x, positions, dTaps);

    internal override void GatedDelta(DeltaShape shape, in DeltaTensors t, Tensor o, Tensor? state) =>
        _linearAttention.Delta(shape, t, o, state);

    internal override void GatedDeltaGradient(DeltaShape shape, in DeltaTensors t, Tensor dO, Tensor? dq, Tensor? dk, Tensor? dv,
        Tensor? dg, Tensor? dBeta) =>
        _linearAttention.DeltaGradient(shape, t, dO, dq, dk, dv, dg, dBeta);

    // ---- Pictures ----

    internal override void Patches(Tensor x, int size, Tensor y) => _patches.Extract(x, size, y);

    internal override void PatchesGradient(Tensor dy, int size, Tensor dx, bool accumulate) => _patches.Place(dy, size, dx, accumulate);

    // ---- Convolutions ----

    internal override void PackPatches(Tensor x, in PatchGrid grid, int group, int first, Tensor p) =>
        _convolutions.Pack(x, grid, group, first, p);

    internal override void AddPatches(Tensor dp, in PatchGrid grid, int group, int first, Tensor dx) =>
        _convolutions.Add(dp, grid, group, first, dx);

    internal override bool ConvolvesImplicitly => _gemm.Convolutions is not null && _options.ComputeDType == DType.BF16;

    internal override void WeightChannelsLast(Tensor weight, int channels, Tensor channelsLast) =>
        _convolutions.WeightChannelsLast(weight, channels, channelsLast);

    internal override void Convolve(Tensor x, in PatchGrid grid, Tensor channelsLast, Tensor? bias, Tensor y) =>
        _gemm.Convolutions!.Convolve(x, grid, channelsLast, bias, y);

    internal override void ConvolveGradient(Tensor dy, in PatchGrid grid, Tensor channelsLast, Tensor dx, bool accumulate) =>
        _gemm.Convolutions!.Gradient(dy, grid.Transposed(dy.Shape.Columns), channelsLast, dx, accumulate);

    internal override void GroupNorm(GroupShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Tensor mean, Tensor rstd,
        float epsilon) =>
        _convolutions.GroupNorm(shape, x, weight, bias, y, mean, rstd, epsilon);

    internal override void GroupNormGradient(GroupShape shape, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias) =>
        _convolutions.GroupNormGradient(shape, x, weight, mean, rstd, dy, dx, accumulateDx, dWeight, accumulateDWeight, dBias,
            accumulateDBias);
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The ops of particular layers: quantised weights, mixtures of experts, linear attention, pictures and convolutions.</summary>
public abstract partial class Backend
{
    // ---- Quantised weights ----

    /// <summary>Quantises a matrix: the scales and codes of <paramref name="to"/>'s format.</summary>
    /// <param name="from">F32, BF16 or F16, of the same shape.</param>
    /// <param name="to">A quantised tensor.</param>
    internal abstract void Quantize(Tensor from, Tensor to);

    /// <summary>Writes the numbers that a quantised matrix stands for.</summary>
    /// <param name="from">A quantised tensor.</param>
    /// <param name="to">F32, BF16 or F16, of the same shape.</param>
    internal abstract void Dequantize(Tensor from, Tensor to);

    /// <summary>Whether <see cref="MatMul"/>, <see cref="MatMulSum"/> and <see cref="MatMulGroup"/> take a quantised B for a product of so
    /// many rows: they then dequantise it piece by piece. Otherwise the caller dequantises it first.</summary>
    /// <param name="b">A quantised weight (n, k).</param>
    /// <param name="rows">Rows of A.</param>
    /// <param name="transposeB">Whether the product uses Bᵀ, as a forward pass does.</param>
    internal virtual bool TakesQuantized(Tensor b, int rows, bool transposeB) => false;

    /// <summary>y = (Q(x)·codesᵀ)·scales(x)·scales(W)/127² of an INT8 weight, with the rows of x quantised as those of W are, and columns
    /// of x that reach the format's threshold multiplied apart (Dettmers et al. 2022, LLM.int8()).</summary>
    /// <param name="x">(m, k), F32 or BF16.</param>
    /// <param name="weight">INT8 (n, k).</param>
    /// <param name="y">(m, n)</param>
    /// <param name="accumulate">Add to y.</param>
    internal abstract void Int8MatMul(Tensor x, Tensor weight, Tensor y, bool accumulate);

    // ---- Mixtures of experts. A pair is a token and one of its k experts: pair q = token·k + j. Its row is p after sorting by expert.
    // ----

    /// <summary>chosen[r, j] = the column of the j-th largest of scores[r, :] + bias, in descending order. Of equal scores the first counts
    /// as larger.</summary>
    /// <param name="scores">(tokens, experts)</param>
    /// <param name="bias">(experts), added for the choice only; or null.</param>
    /// <param name="groups">Groups of experts; scores outside the kept ones count as zero.</param>
    /// <param name="chosen">I32 (tokens, k)</param>
    internal abstract void TopK(Tensor scores, Tensor? bias, ExpertGroups groups, Tensor chosen);

    /// <summary>y[r, j] = x[r, chosen[r, j]].</summary>
    internal abstract void TakeColumns(Tensor x, Tensor chosen, Tensor y);

    /// <summary>dx[r, chosen[r, j]] (+)= dy[r, j], and zero elsewhere when not accumulating. The columns of a row differ.</summary>
    internal abstract void TakeColumnsGradient(Tensor dy, Tensor chosen, Tensor dx, bool accumulate);

    /// <summary>Sorts pairs by expert, stably, and without the host: order[p] = q, position[q] = p.</summary>
    /// <param name="chosen">I32 (tokens, k), the expert of each pair.</param>
    /// <param name="order">I32 (pairs)</param>
    /// <param name="position">I32 (pairs)</param>
    /// <param name="experts">I32 (pairs), the expert of each row.</param>
    /// <param name="offsets">I32 (experts + 1), the first row of each expert, and the number of pairs.</param>
    internal abstract void SortByExpert(Tensor chosen, Tensor order, Tensor position, Tensor experts, Tensor offsets);

    /// <summary>y[p, :] (+)= x[order[p]/k, :].</summary>
    internal abstract void DispatchRows(Tensor x, Tensor order, Tensor y, bool accumulate);

    /// <summary>y[n, :] (+)= Σ_j x[position[n·k + j], :].</summary>
    internal abstract void CombineRows(Tensor x, Tensor position, Tensor y, bool accumulate);

    /// <summary>h[p, :] = weights[order[p]]·f(gate, up), gate and up in one row of x.</summary>
    internal abstract void RoutedGlu<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor h) where TGlu : struct, IGluFormula;

    /// <summary>Gradients of <see cref="RoutedGlu"/>. dx may be x; an output that is null is not computed.</summary>
    internal abstract void RoutedGluGradient<TGlu>(Tensor x, Tensor weights, Tensor order, Tensor dh, Tensor? dx, Tensor? dWeights,
        bool accumulateDWeights) where TGlu : struct, IGluFormula;

    /// <summary>Ragged products (JAX's ragged_dot, PyTorch's grouped_mm): c[p, :] (+)= α·a[p, :]·op(b[e]) for the rows p of each expert e.
    /// a may be F32 or BF16, b any floating-point dtype.</summary>
    /// <param name="a">(pairs, k)</param>
    /// <param name="b">(experts, n, k) if transposed, else (experts, k, n).</param>
    /// <param name="transposeB">op(X) = Xᵀ.</param>
    /// <param name="offsets">I32 (experts + 1), the first row of each expert.</param>
    /// <param name="c">(pairs, n)</param>
    /// <param name="alpha">α</param>
    /// <param name="accumulate">Add to c.</param>
    internal abstract void RaggedMatMul(Tensor a, Tensor b, bool transposeB, Tensor offsets, Tensor c, float alpha = 1,
        bool accumulate = false);

    /// <summary>c[e] (+)= α·Aₑᵀ·Bₑ over the rows of each expert: the gradient of the matrices of <see cref="RaggedMatMul"/>.</summary>
    /// <param name="a">(pairs, m)</param>
    /// <param name="b">(pairs, n)</param>
    /// <param name="offsets">I32 (experts + 1)</param>
    /// <param name="c">F32 (experts, m, n)</param>
    /// <param name="alpha">α</param>
    /// <param name="accumulate">Add to c.</param>
    internal abstract void RaggedMatMulGradient(Tensor a, Tensor b, Tensor offsets, Tensor c, float alpha, bool accumulate);

    // ---- Linear attention ----

    /// <summary>y[b, t, c] = Σ_d taps[K − 1 − d, c]·x[b, t − d, c] with d at most the token's position, so that packed sequences do not
    /// mix.</summary>
    /// <param name="x">(batch, length, columns)</param>
    /// <param name="taps">F32 (K, columns).</param>
    /// <param name="positions">I32 (batch, length)</param>
    /// <param name="y">As x.</param>
    internal abstract void CausalConvolution(Tensor x, Tensor taps, Tensor positions, Tensor y);

    /// <summary>dx[b, t, c] (+)= Σ_d taps[K − 1 − d, c]·dy[b, t + d, c].</summary>
    internal abstract void CausalConvolutionGradient(Tensor dy, Tensor taps, Tensor positions, Tensor dx, bool accumulate);

    /// <summary>dTaps[K − 1 − d, c] = Σ_{b, t} dy[b, t, c]·x[b, t − d, c].</summary>
    internal abstract void CausalConvolutionTaps(Tensor dy, Tensor x, Tensor positions, Tensor dTaps);

    /// <summary>The gated delta rule, see <see cref="Kernels.GatedDelta"/>; all F32.</summary>
    /// <param name="shape">Extents.</param>
    /// <param name="t">The operands.</param>
    /// <param name="o">(batch, length, value heads·dv)</param>
    /// <param name="state">(batch, value heads, dk, dv), the state before the first token, replaced by that after the last; null for
    /// zeros.</param>
    internal abstract void GatedDelta(DeltaShape shape, in DeltaTensors t, Tensor o, Tensor? state);

    /// <summary>Gradients of <see cref="GatedDelta"/> without an initial state. An output that is null is not computed.</summary>
    internal abstract void GatedDeltaGradient(DeltaShape shape, in DeltaTensors t, Tensor dO, Tensor? dq, Tensor? dk, Tensor? dv,
        Tensor? dg, Tensor? dBeta);

    // ---- Pictures ----

    /// <summary>y[b, i·across + j, (c, u, v)] = x[b, c, i·size + u, j·size + v], F32: see <see cref="Kernels.PicturePatches"/>.</summary>
    internal abstract void Patches(Tensor x, int size, Tensor y);

    /// <summary>dx (+)= dy at the pixels of each patch, 0 at those of none.</summary>
    internal abstract void PatchesGradient(Tensor dy, int size, Tensor dx, bool accumulate);

    // ---- Convolutions ----

    /// <summary>The most bytes of patches that a convolution packs at a time: its workspace.</summary>
    internal long MaxPatchBytes { get; set; } = 64L << 20;

    /// <summary>p[r, (c, i, j)] = x[b, h, w, c] at the place that output position <paramref name="first"/> + r has at kernel position
    /// (i, j), for the channels c of one group; zero outside x (im2col).</summary>
    /// <param name="x">(batch, height, width, channels), or (batch, length, channels).</param>
    /// <param name="grid">Extents.</param>
    /// <param name="group">The group of channels.</param>
    /// <param name="first">Output position of the first row.</param>
    /// <param name="p">(rows, channels of a group·kernel height·kernel width), of x's dtype.</param>
    internal abstract void PackPatches(Tensor x, in PatchGrid grid, int group, int first, Tensor p);

    /// <summary>dx[b, h, w, c] += Σ dp[r, (c, i, j)] over the rows and kernel positions that <see cref="PackPatches"/> reads (b, h, w) for
    /// (col2im).</summary>
    internal abstract void AddPatches(Tensor dp, in PatchGrid grid, int group, int first, Tensor dx);

    /// <summary>Whether the device convolves without packed patches, by <see cref="Convolve"/> and
    /// <see cref="ConvolveGradient"/>.</summary>
    internal virtual bool ConvolvesImplicitly => false;

    /// <summary>Copies a weight to channels last: channelsLast[o, (i, j), c] = weight[o, c, (i, j)], rounded to BF16.</summary>
    /// <param name="weight">F32 or BF16 (out, channels·kernel positions).</param>
    /// <param name="channels">Channels.</param>
    /// <param name="channelsLast">BF16 (out, kernel positions·channels).</param>
    internal virtual void WeightChannelsLast(Tensor weight, int channels, Tensor channelsLast) => throw NoConvolution();

    /// <summary>y = P·Wᵀ + bias with the patches P of x, which are gathered while the product runs.</summary>
    /// <param name="x">BF16 (batch, height, width, channels), or (batch, length, channels).</param>
    /// <param name="grid">Extents, which the device must take: see <see cref="Ops.ImplicitConvolution"/>.</param>
    /// <param name="channelsLast">What <see cref="WeightChannelsLast"/> makes of W.</param>
    /// <param name="bias">(out), or null.</param>
    /// <param name="y">(batch, …, out)</param>
    internal virtual void Convolve(Tensor x, in PatchGrid grid, Tensor channelsLast, Tensor? bias, Tensor y) => throw NoConvolution();

    /// <summary>dx (+)= the gradient of <see cref="Convolve"/>'s x.</summary>
    internal virtual void ConvolveGradient(Tensor dy, in PatchGrid grid, Tensor channelsLast, Tensor dx, bool accumulate) =>
        throw NoConvolution();

    private NotSupportedException NoConvolution() => new($"{Name} multiplies packed patches");

    /// <summary>y = (x − mean)·rstd·weight + bias, with mean and variance over the positions of a picture and the channels of a
    /// group.</summary>
    /// <param name="shape">Extents.</param>
    /// <param name="x">(batch, …, channels)</param>
    /// <param name="weight">(channels)</param>
    /// <param name="bias">(channels)</param>
    /// <param name="y">As x.</param>
    /// <param name="mean">F32 (batch, groups)</param>
    /// <param name="rstd">F32 (batch, groups)</param>
    /// <param name="epsilon">ε</param>
    internal abstract void GroupNorm(GroupShape shape, Tensor x, Tensor weight, Tensor bias, Tensor y, Tensor mean, Tensor rstd,
        float epsilon);

    /// <summary>Gradients of <see cref="GroupNorm"/>. An output that is null is not computed.</summary>
    internal abstract void GroupNormGradient(GroupShape shape, Tensor x, Tensor weight, Tensor mean, Tensor rstd, Tensor dy,
        Tensor? dx, bool accumulateDx, Tensor? dWeight, bool accumulateDWeight, Tensor? dBias, bool accumulateDBias);
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.LoHa;

/// <summary>LoHa (Hyeon-Woo et al. 2021, FedPara) on one linear layer or convolution: ΔW = s·(A₁·B₁)∘(A₂·B₂), a Hadamard product of rank up
/// to r². It equals s·(A₁ ⊛ A₂)·(B₁ ⊙ B₂) with Khatri-Rao products of rows (⊛) and of columns (⊙), so it runs as a low-rank update of rank
/// r², and ΔW is never formed.</summary>
internal sealed class LoHaAdapter : LowRankAdapter
{
    private readonly float _scale;
    private readonly LycorisDropout _dropout;
    private readonly LycorisFactors _first;
    private readonly LycorisFactors _second;
    private readonly bool _likeReference;

    public LoHaAdapter(AttachContext context, LoHaConfig config, string path, MatrixLayer layer, ulong site) : base(layer, default)
    {
        (int r, _scale) = config.On(path);
        _dropout = new LycorisDropout(layer, (float)config.RankDropout, (float)config.ModuleDropout, site, Rescale: true);
        var kernel = LycorisFactors.KernelOf(layer, config.UseEffectiveConv2d);
        _first = LycorisFactors.Of(context, layer.Outputs, layer.Channels, kernel, r, ("hada_w1_a", "hada_w1_b", "hada_t1"));
        _second = LycorisFactors.Of(context, layer.Outputs, layer.Channels, kernel, r, ("hada_w2_a", "hada_w2_b", "hada_t2"));
        _likeReference = context.LikeReference && kernel.Separate;
        _first.Kaiming(context.Seed, 4 * site, 4 * site + 1, KernelStream(site, 0));
        _second.Kaiming(context.Seed, 4 * site + 2, 4 * site + 3, KernelStream(site, 1));
        if (config.InitWeights)
        {
            _second.B.Zero();
        }
    }

    public override IEnumerable<AdapterParameter> Parameters => [.. _first.Parameters, .. _second.Parameters];

    protected override LowRankUpdate Update(DropoutKey dropout)
    {
        var (left, down) = (_first.Up, _first.Down);
        var (right, otherDown) = (_second.Up, _second.Down);
        if (_likeReference)
        {
            ((left, down), (right, otherDown)) = (Misattributed(left, down, otherDown), Misattributed(right, otherDown, down));
        }
        var a = down.KhatriRao(otherDown); // (r², in)
        int r = left.Shape[1];
        var outer = new BatchedProduct(Layer.Outputs, r, 1, r, new(r, 1, 1), new(r, 1, 1), new(r * r, r, 1));
        // (out, r²): the outer product of row o of A₁ and row o of A₂
        var b = left.MatMulBatched(right, outer, [Layer.Outputs, r * r]);
        if (_dropout.Factors() is { } factors)
        {
            b = b.MultiplyColumn(b.Backend.From(factors, [factors.Length]));
        }
        return new LowRankUpdate(a, b, _scale);
    }

    /// <summary>A·B with the gradient that Hugging Face PEFT gives A where the kernel has a factor of its own: that of A·B', with the B' of
    /// the other product. The value is A·B + A·B' − A·B', in factors of three times the rank.</summary>
    private static (Tensor A, Tensor B) Misattributed(Tensor a, Tensor b, Tensor other)
    {
        Tensor constant = a.View(a.Shape), otherConstant = other.View(other.Shape); // Views have no gradient.
        return (constant.ConcatColumns(a).ConcatColumns(constant * -1f), Tensor.Concat(b, otherConstant, otherConstant));
    }

    // Beyond the four streams of a site that linear layers use.
    private static ulong KernelStream(ulong site, ulong which) => LayerDropout.FirstSiteAfterLayers + 2 * site + which;
}

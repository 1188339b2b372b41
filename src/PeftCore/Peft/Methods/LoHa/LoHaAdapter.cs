using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Peft.LoHa;

/// <summary>LoHa (Hyeon-Woo et al. 2021, FedPara) on one linear layer: ΔW = s·(A₁·B₁)∘(A₂·B₂), a Hadamard product of rank up to r². It
/// equals s·(A₁ ⊛ A₂)·(B₁ ⊙ B₂) with Khatri-Rao products of rows (⊛) and of columns (⊙), so it runs as a low-rank update of rank r², and ΔW
/// is never formed.</summary>
internal sealed class LoHaAdapter : LowRankAdapter
{
    private readonly Parameter _a1;
    private readonly Parameter _b1;
    private readonly Parameter _a2;
    private readonly Parameter _b2;
    private readonly float _scale;
    private readonly LycorisDropout _dropout;

    public LoHaAdapter(AttachContext context, LoHaConfig config, string path, Linear layer, ulong site) : base(layer, default)
    {
        (int r, _scale) = config.On(path);
        _dropout = new LycorisDropout(layer, (float)config.RankDropout, (float)config.ModuleDropout, site, Rescale: true);
        _a1 = context.NewParameter([layer.Outputs, r]).Kaiming(context.Seed, 4 * site);
        _b1 = context.NewParameter([r, layer.Inputs]).Kaiming(context.Seed, 4 * site + 1);
        _a2 = context.NewParameter([layer.Outputs, r]).Kaiming(context.Seed, 4 * site + 2);
        _b2 = context.NewParameter([r, layer.Inputs]);
        _ = config.InitWeights ? _b2.Zero() : _b2.Kaiming(context.Seed, 4 * site + 3);
    }

    public override IEnumerable<AdapterParameter> Parameters =>
    [
        new("", "hada_w1_a.{0}", "hada_w1_a", _a1), new("", "hada_w1_b.{0}", "hada_w1_b", _b1),
        new("", "hada_w2_a.{0}", "hada_w2_a", _a2), new("", "hada_w2_b.{0}", "hada_w2_b", _b2),
    ];

    protected override LowRankUpdate Update(DropoutKey dropout)
    {
        var a = _b1.Value.KhatriRao(_b2.Value); // (r², in)
        int r = _a1.Shape[1];
        var outer = new BatchedProduct(Layer.Outputs, r, 1, r, new(r, 1, 1), new(r, 1, 1), new(r * r, r, 1));
        // (out, r²): the outer product of row o of A₁ and row o of A₂
        var b = _a1.Value.MatMulBatched(_a2.Value, outer, [Layer.Outputs, r * r]);
        if (_dropout.Factors() is { } factors)
        {
            b = b.MultiplyColumn(b.Backend.From(factors, [factors.Length]));
        }
        return new LowRankUpdate(a, b, _scale);
    }
}

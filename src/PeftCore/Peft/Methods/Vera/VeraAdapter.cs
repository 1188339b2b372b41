using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Peft.Vera;

/// <summary>VeRA on one linear layer: y = x·Wᵀ + bias + b∘(((x·Aᵀ)∘d)·Bᵀ) with frozen A and B; only the vectors b (out) and d (r) learn. b
/// goes into B, which is small, and not onto the output, which would have to be kept.</summary>
internal sealed class VeraAdapter : LowRankAdapter
{
    private readonly VeraProjections _shared;
    private readonly Parameter _b;
    private readonly Parameter _d;

    public VeraAdapter(AttachContext context, VeraConfig config, Linear layer, VeraProjections shared, ulong site)
        : base(layer, new LayerDropout(layer, (float)config.Dropout, site))
    {
        _shared = shared;
        _b = context.NewParameter([layer.Outputs]).Fill(config.InitWeights ? 0 : 1);
        _d = context.NewParameter([config.Rank]);
        _ = config.InitWeights ? _d.Fill((float)config.InitialD) : _d.Normal(0, 1, context.Seed, site);
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("", "vera_lambda_b.{0}", "vera_lambda_b", _b), new("", "vera_lambda_d.{0}", "vera_lambda_d", _d)];

    protected override LowRankUpdate Update(DropoutKey drop) =>
        new(_shared.A(Layer.Inputs), _shared.B(Layer.Outputs).MultiplyColumn(_b.Value), 1, Dropout: drop, Diagonal: _d.Value);
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.RandLora;

/// <summary>RandLoRA on one linear layer: a sum of as many random low-rank products as make a full rank, each scaled by its own λ and γ, ΔW
/// = s·Σⱼ Bⱼ·diag(λⱼ)·A·diag(γⱼ). What learns is applied to the smaller side.</summary>
internal sealed class RandLoraAdapter : DeltaAdapter
{
    private readonly RandomBases _bases;
    private readonly Parameter _lambda;
    private readonly Parameter _gamma;
    private readonly float _scale;
    private readonly LayerDropout _dropout;

    public RandLoraAdapter(AttachContext context, RandLoraConfig config, string path, Linear layer, RandomBases bases, ulong site)
        : base(layer)
    {
        _bases = bases;
        _scale = Hyperparameters.Scale("randlora_alpha", path, config.Alpha / config.Rank);
        _dropout = new LayerDropout(layer, (float)config.Dropout, site);
        int count = RandomBases.Count(Smaller, config.Rank);
        _lambda = context.NewParameter([config.Rank, count]);
        _ = config.InitWeights ? _lambda.Zero() : _lambda.Normal(0, 1, context.Seed, site);
        _gamma = context.NewParameter([count, Smaller]);
        _gamma.Fill(1f / (config.InitWeights ? Math.Max(count, Smaller) : Larger));
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("", "randlora_lambda.{0}", "randlora_lambda", _lambda), new("", "randlora_gamma.{0}", "randlora_gamma", _gamma)];

    private int Smaller => Math.Min(Layer.Inputs, Layer.Outputs);

    private int Larger => Math.Max(Layer.Inputs, Layer.Outputs);

    protected override Tensor Delta(Tensor x, Tensor weight)
    {
        var small = _lambda.Value.ScaledBases(_gamma.Value, _bases.A(Smaller)); // (r·bases, smaller side)
        var large = _bases.B(Larger, _gamma.Shape[0]); // (larger side, bases·r)
        x = x.Dropout(_dropout.Now);
        return Smaller == Layer.Inputs
            ? x.Linear(small).Linear(large) * _scale
            : x.Linear(large, transposed: true).Linear(small, transposed: true) * _scale;
    }
}

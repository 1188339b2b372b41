using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.PublicApi.Tests.Samples;

/// <summary>Hyperparameters of a method that scales each output of a linear layer: y = (x·Wᵀ + b)∘(1 + s).</summary>
internal sealed record OutputScaleConfig : LinearAdapterConfig
{
    public static ConfigFields<OutputScaleConfig> Fields { get; } = new ConfigFields<OutputScaleConfig>(new())
        .Targets(exclude: true, layers: true)
        .Float("init_deviation", c => c.InitDeviation, (c, v) => c with { InitDeviation = v },
            "Standard deviation of the initial s; with 0 the adapter starts as the identity.", min: 0, max: 1);

    /// <summary>Standard deviation of the s it starts from; 0 starts as the base model.</summary>
    public double InitDeviation { get; init; }

    public static void Register() => PeftMethods.Register("OUTPUT_SCALE", Fields);

    protected override LinearAdapter CreateAdapter(AdapterSite site) => new OutputScale(site, (float)InitDeviation);
}

/// <summary>The method on one layer.</summary>
internal sealed class OutputScale : LinearAdapter
{
    private readonly Parameter _s;

    public OutputScale(AdapterSite site, float initDeviation) : base(site) =>
        _s = Add("output_scale", [site.Layer.Outputs], initDeviation);

    public override Tensor Forward(Tensor x, Tensor y) => y.MultiplyRow(_s.Value + 1);
}

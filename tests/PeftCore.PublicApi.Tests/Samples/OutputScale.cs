using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.PublicApi.Tests.Samples;

/// <summary>Hyperparameters of a method that scales each output of a linear layer: y = (x·Wᵀ + b)∘(1 + s).</summary>
internal sealed record OutputScaleConfig : LinearAdapterConfig
{
    public OutputScaleConfig()
    {
    }

    private OutputScaleConfig(ConfigReader config) : base(config) =>
        InitDeviation = config.Float("init_deviation", 0, min: 0, max: 1);

    public override string PeftType => "OUTPUT_SCALE";

    /// <summary>Standard deviation of the s it starts from; 0 starts as the base model.</summary>
    public double InitDeviation { get; init; }

    public static void Register() => PeftMethods.Register("OUTPUT_SCALE", config => new OutputScaleConfig(config));

    protected override LinearAdapter CreateAdapter(AdapterSite site) => new OutputScale(site, (float)InitDeviation);

    protected override void WriteFields(JsonObject json) => json["init_deviation"] = InitDeviation;
}

/// <summary>The method on one layer.</summary>
internal sealed class OutputScale : LinearAdapter
{
    private readonly Parameter _s;

    public OutputScale(AdapterSite site, float initDeviation) : base(site) =>
        _s = Add("output_scale", [site.Layer.Outputs], initDeviation);

    public override Tensor Forward(Tensor x, Tensor y) => y.MultiplyRow(_s.Value + 1);
}

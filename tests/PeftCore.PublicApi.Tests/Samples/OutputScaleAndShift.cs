using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.PublicApi.Tests.Samples;

/// <summary>Hyperparameters of <see cref="OutputScaleAndShift"/>: the shared ones alone.</summary>
internal sealed record OutputScaleAndShiftConfig : LinearAdapterConfig
{
    public static ConfigFields<OutputScaleAndShiftConfig> Fields { get; } =
        new ConfigFields<OutputScaleAndShiftConfig>(new()).Targets(exclude: true, layers: true);

    protected override LinearAdapter CreateAdapter(AdapterSite site) => new OutputScaleAndShift(site);
}

/// <summary>y = (x·Wᵀ + b)∘(1 + s) + t on one layer: the change that docs/getting-started/first-method.md makes to the scale.</summary>
internal sealed class OutputScaleAndShift : LinearAdapter
{
    private readonly Parameter _s, _t;

    public OutputScaleAndShift(AdapterSite site) : base(site)
    {
        _s = Add("output_scale", [site.Layer.Outputs]);
        _t = Add("output_shift", [site.Layer.Outputs]);
    }

    public override Tensor Forward(Tensor x, Tensor y) => y.MultiplyRow(_s.Value + 1).AddRow(_t.Value);
}

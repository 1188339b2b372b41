#:project ../checks/Checks.csproj

// # Exercise 15: scaling what a layer reads
//
//   dotnet run docs/lessons/exercises/15-own-method.cs -- --check
//
// y = (x∘(1 + s))·Wᵀ with one trained number s for each input of the layer, zero at first. The hook gets x and the layer's output y, which
// already has x·Wᵀ in it; the layer's weight is `site.Layer.Weight.Value`. `x.MultiplyRow(v)` is x∘v, `x.Linear(w)` is x·wᵀ. Add the
// parameter in the constructor: `Add("input_scale", [site.Layer.Inputs])`.

using PeftCore.Lessons;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Tensors;

return OwnMethodCheck.Run(args, InputScaleConfig.Fields,
    new InputScaleConfig { TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) });

/// <summary>The hyperparameters: the targets alone.</summary>
internal sealed record InputScaleConfig : LinearAdapterConfig
{
    public static ConfigFields<InputScaleConfig> Fields { get; } = new ConfigFields<InputScaleConfig>(new()).Targets(exclude: true);

    protected override LinearAdapter CreateAdapter(AdapterSite site) => new InputScale(site);
}

/// <summary>The method on one layer.</summary>
internal sealed class InputScale(AdapterSite site) : LinearAdapter(site)
{
    public override Tensor Forward(Tensor x, Tensor y) =>
        throw new NotImplementedException("add the parameter, and return y with its part");
}

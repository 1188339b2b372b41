#:project ../checks/Checks.csproj

// # Exercise 15, solved: scaling what a layer reads
//
//   dotnet run docs/lessons/solutions/15-own-method.cs -- --check

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
internal sealed class InputScale : LinearAdapter
{
    private readonly AdapterSite _site;
    private readonly PeftCore.Nn.Parameter _s;

    public InputScale(AdapterSite site) : base(site) => (_site, _s) = (site, Add("input_scale", [site.Layer.Inputs]));

    // (x∘(1 + s))·Wᵀ = x·Wᵀ + (x∘s)·Wᵀ
    public override Tensor Forward(Tensor x, Tensor y) =>
        y + x.MultiplyRow(_s.Value).Linear(_site.Layer.Weight.Value, null, _site.Layer.Transposed);
}

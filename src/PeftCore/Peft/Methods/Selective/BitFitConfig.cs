namespace PeftCore.Peft.Selective;

/// <summary>Hyperparameters of BitFit (Ben Zaken et al. 2022): trains only the biases of the base model.</summary>
public sealed record BitFitConfig : PeftConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<BitFitConfig> Fields { get; } = new ConfigFields<BitFitConfig>(new())
        .Common()
        .Modules("target_modules", c => c.TargetModules, (c, v) => c with { TargetModules = v },
            "Modules whose biases train; null for all.");

    /// <summary>Modules whose biases train; null for all.</summary>
    internal ModuleSelector? TargetModules { get; init; }

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var modules = context.Base.NamedModules().Where(module => module.Module.OwnParameter("bias") is { IsBuffer: false }).ToList();
        if (modules.Count == 0)
        {
            throw new BadInputException(
                $"BitFit trains biases, and this {context.Base.ModelType} model has none; LN tuning is as small and needs no biases");
        }
        var chosen = modules.Where(module => TargetModules?.Matches(module.Path) ?? true).ToList();
        if (chosen.Count == 0)
        {
            throw new BadInputException(
                $"target modules: no module with a bias matches \"{TargetModules}\"; there are " +
                $"{string.Join(", ", modules.Select(module => module.Module.Name).Distinct())}");
        }
        var adapter = context.NewAdapter(this);
        adapter.Swaps.AddRange(new SavedModules(context, []).BiasesOf(chosen));
        return adapter;
    }
}

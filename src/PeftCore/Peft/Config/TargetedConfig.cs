namespace PeftCore.Peft;

/// <summary>The biases that are trained.</summary>
public enum BiasMode
{
    /// <summary>None.</summary>
    None,

    /// <summary>Those of the adapted layers.</summary>
    LoraOnly,

    /// <summary>Every bias of the model.</summary>
    All,
}

/// <summary>Base of the configurations of methods that adapt layers chosen by name. <see cref="CommonFields.Targets"/> declares the
/// fields.</summary>
public abstract record TargetedConfig : PeftConfig
{
    private protected TargetedConfig()
    {
    }

    /// <summary>Modules to adapt; null for the model family's defaults.</summary>
    public ModuleSelector? TargetModules { get; init; }

    /// <summary>Modules that are not adapted even if <see cref="TargetModules"/> selects them.</summary>
    public ModuleSelector? ExcludeModules { get; init; }

    /// <summary>Modules whose weights are trained in full and saved with the adapter.</summary>
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    private protected override bool NamesSavedModules => true;

    private protected override PeftConfig WithSavedModules(IReadOnlyList<string> names) =>
        names.Count == 0 ? this : this with { ModulesToSave = [.. (ModulesToSave ?? []).Union(names)] };

    /// <summary>The biases that are trained.</summary>
    public BiasMode Bias { get; init; }

    /// <summary>Indices of the blocks to adapt, from 0; null for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Names of the model's list of blocks; null for any.</summary>
    internal IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>The file's flag for weights stored as (in, out). The layers' own layout is used; a contradiction causes a
    /// warning.</summary>
    internal bool FanInFanOut { get; init; }

    /// <summary>Whether the method's file has fan_in_fan_out.</summary>
    internal bool HasFanInFanOut => FieldValues.Has("fan_in_fan_out");
}

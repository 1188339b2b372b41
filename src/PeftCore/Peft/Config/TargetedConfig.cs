namespace PeftCore.Peft;

/// <summary>Which biases train.</summary>
public enum BiasMode
{
    /// <summary>None.</summary>
    None,

    /// <summary>Those of the adapted layers.</summary>
    LoraOnly,

    /// <summary>Every bias of the model.</summary>
    All,
}

/// <summary>The settings that all methods share which adapt layers chosen by name. <see cref="CommonFields.Targets"/> declares their
/// fields.</summary>
public abstract record TargetedConfig : PeftConfig
{
    /// <summary>Modules to adapt; null for the model family's usual ones.</summary>
    public ModuleSelector? TargetModules { get; init; }

    /// <summary>Modules not to adapt, whatever <see cref="TargetModules"/> says.</summary>
    public ModuleSelector? ExcludeModules { get; init; }

    /// <summary>Modules that train whole and are saved with the adapter.</summary>
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    /// <summary>Which biases train.</summary>
    public BiasMode Bias { get; init; }

    /// <summary>Numbers of the blocks to adapt, from 0; null for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Names of the model's list of blocks; null for any.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>What the file says about weights being stored as (in, out). The layers' own layout is used; a file that contradicts it
    /// causes a warning.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>Whether the method's file has fan_in_fan_out.</summary>
    internal bool HasFanInFanOut => FieldValues.Has("fan_in_fan_out");
}

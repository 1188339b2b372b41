using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>Which biases train.</summary>
public enum BiasMode
{
    /// <summary>None.</summary>
    None,

    /// <summary>Those of the layers the adapter changes.</summary>
    LoraOnly,

    /// <summary>Every bias of the model.</summary>
    All,
}

/// <summary>Optional fields that some targeted methods have in their file and others lack.</summary>
[Flags]
internal enum TargetFields
{
    None = 0,
    Exclude = 1,
    Layers = 2,
    FanInFanOut = 4,
}

/// <summary>What the configurations share whose methods change layers chosen by name.</summary>
public abstract record TargetedConfig : PeftConfig
{
    private protected TargetedConfig()
    {
    }

    /// <summary>Reads the shared fields.</summary>
    private protected TargetedConfig(ConfigReader config)
    {
        TaskType = config.StringOrNull("task_type");
        BaseModelNameOrPath = config.StringOrNull("base_model_name_or_path");
        Revision = config.StringOrNull("revision");
        TargetModules = ModuleSelector.Read(config, "target_modules");
        ModulesToSave = config.StringsOrNull("modules_to_save");
        if (BiasOfTargets is { } own)
        {
            string bias = config.Choice("bias", "none", "none", own, "all");
            Bias = bias == own ? BiasMode.LoraOnly : bias == "all" ? BiasMode.All : BiasMode.None;
        }
        if (Fields.HasFlag(TargetFields.Exclude))
        {
            ExcludeModules = ModuleSelector.Read(config, "exclude_modules");
        }
        if (Fields.HasFlag(TargetFields.Layers))
        {
            LayersToTransform = ConfigFields.IntOrInts(config, "layers_to_transform");
            LayersPattern = ConfigFields.StringOrStrings(config, "layers_pattern");
            RefuseLayersWithoutMeaning(config);
        }
        if (Fields.HasFlag(TargetFields.FanInFanOut))
        {
            FanInFanOut = config.Bool("fan_in_fan_out", false);
        }
    }

    /// <summary>Refuses numbers of blocks that go with no list of names, and names of the list of blocks without numbers, as Hugging Face
    /// PEFT does.</summary>
    private void RefuseLayersWithoutMeaning(ConfigReader config)
    {
        if (LayersToTransform is not null && TargetModules is { Pattern: { } pattern, IsAllLinear: false })
        {
            throw config.Error("layers_to_transform",
                $"chooses blocks, but target_modules is the regular expression \"{pattern}\", which chooses them as well; name the " +
                "layers in a list, or put the blocks into the expression");
        }
        if (LayersPattern is { Count: > 0 } && LayersToTransform is null)
        {
            throw config.Error("layers_pattern",
                "says what the list of blocks is called, but layers_to_transform chooses none; set both or neither");
        }
    }

    /// <summary>The layers to change; null for the family's usual ones.</summary>
    public ModuleSelector? TargetModules { get; init; }

    /// <summary>Layers not to change, whatever the targets say.</summary>
    public ModuleSelector? ExcludeModules { get; init; }

    /// <summary>Modules that are trained whole and saved with the adapter.</summary>
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    /// <summary>Which biases train.</summary>
    public BiasMode Bias { get; init; }

    /// <summary>Numbers of the blocks to change; null for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Names of the list of blocks; null for any.</summary>
    public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary>Whether weights are stored (in, out), as the file says; the layers themselves are what counts.</summary>
    public bool FanInFanOut { get; init; }

    /// <summary>The optional fields this method's file has.</summary>
    internal abstract TargetFields Fields { get; }

    /// <summary>What the file calls <see cref="BiasMode.LoraOnly"/>; null if the method trains no biases.</summary>
    internal virtual string? BiasOfTargets => null;

    /// <summary>Adds the fields of the method alone.</summary>
    internal abstract void WriteOwn(JsonObject json);

    internal override void Write(JsonObject json)
    {
        json["target_modules"] = TargetModules?.ToJson();
        json["modules_to_save"] = Strings(ModulesToSave);
        if (BiasOfTargets is { } own)
        {
            json["bias"] = Bias switch { BiasMode.All => "all", BiasMode.LoraOnly => own, _ => "none" };
        }
        if (Fields.HasFlag(TargetFields.Exclude))
        {
            json["exclude_modules"] = ExcludeModules?.ToJson();
        }
        if (Fields.HasFlag(TargetFields.Layers))
        {
            json["layers_to_transform"] = Integers(LayersToTransform);
            json["layers_pattern"] = Strings(LayersPattern);
        }
        if (Fields.HasFlag(TargetFields.FanInFanOut))
        {
            json["fan_in_fan_out"] = FanInFanOut;
        }
        WriteOwn(json);
    }
}

using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft.Prompts;

/// <summary>What the configurations share whose methods put virtual tokens, or keys and values, before every sequence. Sizes that are null
/// are taken from the model, and saved as they were found.</summary>
public abstract record PromptLearningConfig : PeftConfig
{
    private protected PromptLearningConfig()
    {
    }

    /// <summary>Reads the shared fields.</summary>
    private protected PromptLearningConfig(ConfigReader config)
    {
        TaskType = config.StringOrNull("task_type");
        BaseModelNameOrPath = config.StringOrNull("base_model_name_or_path");
        Revision = config.StringOrNull("revision");
        NumVirtualTokens = config.Int("num_virtual_tokens", min: 1);
        TokenDim = config.IntOrNull("token_dim", min: 1);
        NumTransformerSubmodules = config.IntOrNull("num_transformer_submodules", min: 1, max: 2);
        NumAttentionHeads = config.IntOrNull("num_attention_heads", min: 1);
        NumLayers = config.IntOrNull("num_layers", min: 1);
        ModulesToSave = config.StringsOrNull("modules_to_save");
    }

    /// <summary>How many stand before every sequence.</summary>
    public int NumVirtualTokens { get; init; } = 20;

    /// <summary>Columns of a virtual token; null for those of the model.</summary>
    public int? TokenDim { get; init; }

    /// <summary>1 for a decoder; null to find out.</summary>
    public int? NumTransformerSubmodules { get; init; }

    /// <summary>Heads of the model; null to find out.</summary>
    public int? NumAttentionHeads { get; init; }

    /// <summary>Blocks of the model; null to find out.</summary>
    public int? NumLayers { get; init; }

    /// <summary>Modules that are trained whole and saved with the adapter.</summary>
    public IReadOnlyList<string>? ModulesToSave { get; init; }

    internal override void Write(JsonObject json)
    {
        json["num_virtual_tokens"] = NumVirtualTokens;
        json["token_dim"] = TokenDim;
        json["num_transformer_submodules"] = NumTransformerSubmodules;
        json["num_attention_heads"] = NumAttentionHeads;
        json["num_layers"] = NumLayers;
        json["modules_to_save"] = Strings(ModulesToSave);
        WriteOwn(json);
    }

    internal override bool StartsAsBase => false;

    /// <summary>Adds the fields of the method alone.</summary>
    internal abstract void WriteOwn(JsonObject json);

    /// <summary>Columns of what this method puts before a sequence, in this model.</summary>
    private protected virtual int ColumnsIn(CausalModel model) => model.HiddenSize;

    /// <summary>Heads as this method counts them, in this model.</summary>
    private protected virtual int HeadsIn(CausalModel model) => model.HeadCount;

    /// <summary>This configuration with what is taken from the model, as it is saved.</summary>
    internal virtual PromptLearningConfig Resolved(AttachContext context) => this with
    {
        TokenDim = TokenDim ?? ColumnsIn(context.Base),
        NumTransformerSubmodules = NumTransformerSubmodules ?? 1,
        NumAttentionHeads = NumAttentionHeads ?? HeadsIn(context.Base),
        NumLayers = NumLayers ?? context.Base.LayerCount,
    };

    /// <summary>Makes what stands before a sequence, from a configuration whose sizes are known.</summary>
    internal abstract PromptEncoder NewEncoder(AttachContext context);

    internal override Adapter Attach(AttachContext context)
    {
        var resolved = Resolved(context);
        resolved.Check(context.Base);
        var adapter = context.NewAdapter(resolved);
        adapter.Prompt = resolved.NewEncoder(context);
        adapter.Swaps.AddRange(new SavedModules(context, ModulesToSave ?? []).Modules().Select(Named));
        return adapter;
    }

    /// <summary>Hugging Face PEFT wraps no layers for these methods, so the names of saved modules have one part less than
    /// elsewhere.</summary>
    private static ParameterSwap Named(ParameterSwap swap)
    {
        var p = swap.Parameter;
        string start = AdapterParameter.ModelPrefix + p.Path + ".";
        return new ParameterSwap(swap.Module, swap.Name, p with
        {
            MemorySuffix = start + p.MemorySuffix,
            FileSuffix = start + p.FileSuffix,
            IsWhole = true
        });
    }

    private void Check(CausalModel model)
    {
        string? problem = this switch
        {
            { NumVirtualTokens: < 1 } => $"num_virtual_tokens is {NumVirtualTokens}; it must be at least 1",
            _ when NumVirtualTokens >= model.MaxLength =>
                $"num_virtual_tokens is {NumVirtualTokens}, but the model's context holds {model.MaxLength} tokens; choose fewer",
            { NumTransformerSubmodules: not 1 } =>
                $"num_transformer_submodules is {NumTransformerSubmodules}, but this model is a decoder, which has 1",
            _ when TokenDim != ColumnsIn(model) =>
                $"token_dim is {TokenDim}, but in this model it is {ColumnsIn(model)}; leave it out or load the model it was made for",
            _ when NumLayers != model.LayerCount =>
                $"num_layers is {NumLayers}, but this model has {model.LayerCount}; leave it out or load the model it was made for",
            _ => null,
        };
        if (problem is not null)
        {
            throw new BadInputException(problem);
        }
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Models;

namespace PeftCore.Peft.Prompts;

/// <summary>Base of the configurations of prompt learning: methods that prepend virtual tokens, or keys and values, to every sequence.
/// Sizes that are null are taken from the model; the saved configuration holds the resulting numbers.</summary>
public abstract record PromptLearningConfig : PeftConfig
{
    private protected PromptLearningConfig()
    {
    }

    /// <summary>Number of virtual tokens prepended to every sequence.</summary>
    public int NumVirtualTokens { get; init; } = 20;

    /// <summary>Columns of a virtual token; null for the model's hidden size.</summary>
    internal int? TokenDim { get; init; }

    /// <summary>Number of transformer stacks: 1, or 2 for an encoder-decoder; null to take it from the model.</summary>
    internal int? NumTransformerSubmodules { get; init; }

    /// <summary>Number of attention heads; null to take it from the model.</summary>
    internal int? NumAttentionHeads { get; init; }

    /// <summary>Number of blocks; null to take it from the model.</summary>
    internal int? NumLayers { get; init; }

    /// <summary>Modules whose weights are trained in full and saved with the adapter.</summary>
    internal IReadOnlyList<string>? ModulesToSave { get; init; }

    internal override bool StartsAsBase => false;

    /// <summary>Rows of a table of virtual tokens. For an encoder-decoder Hugging Face PEFT has as many for each stack, of which the
    /// encoder reads the first and the decoder none.</summary>
    private protected int TokenRows => NumVirtualTokens * NumTransformerSubmodules!.Value;

    /// <summary>Whether the method puts vectors before those of the tokens, rather than keys and values before theirs.</summary>
    private protected virtual bool PutsTokens => true;

    private static int StacksOf(TransformerModel model) => model.Task == ModelTask.Seq2SeqLm ? 2 : 1;

    private protected override bool NamesSavedModules => true;

    private protected override PeftConfig WithSavedModules(IReadOnlyList<string> names) =>
        names.Count == 0 ? this : this with { ModulesToSave = [.. (ModulesToSave ?? []).Union(names)] };

    /// <summary>Columns of this method's virtual tokens, or keys and values, in a model.</summary>
    private protected virtual int ColumnsIn(TransformerModel model) => model.TokenEmbedding.Weight.Shape.Columns;

    /// <summary>Number of heads that this method writes for a model.</summary>
    private protected virtual int HeadsIn(TransformerModel model) => model.HeadCount;

    /// <summary>This configuration with the sizes taken from the model, as it is saved.</summary>
    internal virtual PromptLearningConfig Resolved(AttachContext context) => WithSizesOf(context);

    /// <summary>This configuration with the sizes of the model where it has none.</summary>
    private protected PromptLearningConfig WithSizesOf(AttachContext context) => this with
    {
        TokenDim = TokenDim ?? ColumnsIn(context.Base),
        NumTransformerSubmodules = NumTransformerSubmodules ?? StacksOf(context.Base),
        NumAttentionHeads = NumAttentionHeads ?? HeadsIn(context.Base),
        NumLayers = NumLayers ?? context.Base.LayerCount,
    };

    /// <summary>Creates the prompt encoder. All sizes of the configuration are known.</summary>
    internal abstract PromptEncoder NewEncoder(AttachContext context);

    internal override Adapter AttachTo(AttachContext context)
    {
        var model = context.Base;
        if (!model.ReadsTokens || !(model.TakesPrompts || (!PutsTokens && model.TakesPrefix)))
        {
            throw new BadInputException($"{PeftType} puts virtual tokens before those of a text, which {model.ModelType} models " +
                $"{(model.ReadsTokens ? "have no place for" : "do not read")}; choose a method that changes layers, such as LoRA");
        }
        var resolved = Resolved(context);
        resolved.Check(context.Base);
        var adapter = context.NewAdapter(resolved);
        adapter.Prompt = resolved.NewEncoder(context);
        adapter.Swaps.AddRange(new SavedModules(context, ModulesToSave ?? []).Modules().Select(Named));
        return adapter;
    }

    /// <summary>Hugging Face PEFT wraps no layers for these methods, so the names of saved modules lack the prefix part that other methods
    /// have.</summary>
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

    private void Check(TransformerModel model)
    {
        string? problem = this switch
        {
            _ when NumVirtualTokens >= model.MaxLength =>
                $"num_virtual_tokens is {NumVirtualTokens}, but the model's context holds {model.MaxLength} tokens; choose fewer",
            _ when NumTransformerSubmodules != StacksOf(model) =>
                $"num_transformer_submodules is {NumTransformerSubmodules}, but this {model.ModelType} model has {StacksOf(model)}",
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

/// <summary>The fields of <see cref="PromptLearningConfig"/>.</summary>
internal static class PromptFields
{
    public static ConfigFields<T> Prompts<T>(this ConfigFields<T> fields)
        where T : PromptLearningConfig => fields
        .Common()
        .Int("num_virtual_tokens", c => c.NumVirtualTokens, (c, v) => c with { NumVirtualTokens = v },
            "Number of virtual tokens, or of keys and values a layer, before every sequence.", min: 1, required: true)
        .IntOrNull("token_dim", c => c.TokenDim, (c, v) => c with { TokenDim = v },
            "Size of a virtual token; null for the model's hidden size.", min: 1)
        .IntOrNull("num_transformer_submodules", c => c.NumTransformerSubmodules, (c, v) => c with { NumTransformerSubmodules = v },
            "2 for an encoder-decoder, 1 for others; null to take it from the model.", min: 1, max: 2)
        .IntOrNull("num_attention_heads", c => c.NumAttentionHeads, (c, v) => c with { NumAttentionHeads = v },
            "Attention heads of the model; null to take it from the model.", min: 1)
        .IntOrNull("num_layers", c => c.NumLayers, (c, v) => c with { NumLayers = v },
            "Blocks of the model; null to take it from the model.", min: 1)
        .Texts("modules_to_save", c => c.ModulesToSave, (c, v) => c with { ModulesToSave = v },
            "Modules that train whole and are saved with the adapter.");

    /// <summary>The fields of the text that initialises the virtual tokens, and of its tokenizer.</summary>
    public static ConfigFields<T> InitialText<T>(this ConfigFields<T> fields, Func<T, string?> text, Func<T, string?, T> setText,
        Func<T, string?> tokenizer, Func<T, string?, T> setTokenizer, Func<T, JsonElement?> arguments,
        Func<T, JsonElement?, T> setArguments)
        where T : PromptLearningConfig => fields
        .Text("prompt_tuning_init_text", text, setText, "Text whose tokens' embeddings the virtual tokens start as.")
        .Text("tokenizer_name_or_path", tokenizer, setTokenizer, "Directory of the tokenizer for that text.")
        .Add(new("tokenizer_kwargs", "any value", "Arguments of Hugging Face's tokenizer loader; kept for the file.",
            (c, reader) => setArguments(c, reader.Raw("tokenizer_kwargs")),
            c => arguments(c) is { } value ? JsonNode.Parse(value.GetRawText()) : null));
}

using PeftCore.Models;

namespace PeftCore.Peft.Prompts;

/// <summary>Hyperparameters of prefix tuning (Li and Liang 2021; without projection also P-tuning v2, Liu et al. 2022): trained keys and
/// values that precede those of the tokens in every attention layer.</summary>
public sealed record PrefixTuningConfig : PromptLearningConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<PrefixTuningConfig> Fields { get; } = new ConfigFields<PrefixTuningConfig>(new())
        .Prompts()
        .IntOrNull("encoder_hidden_size", c => c.EncoderHiddenSize, (c, v) => c with { EncoderHiddenSize = v },
            "Hidden size of the projection; null for the size of a key.", min: 1)
        .Bool("prefix_projection", c => c.PrefixProjection, (c, v) => c with { PrefixProjection = v },
            "Make the prefix by a network from one small table; without it this is P-tuning v2.")
        .Start("init_weights", c => c.InitZero, (c, v) => c with { InitZero = v }, "Initialisation: zero, or standard normal numbers.",
            ("zero", true), ("null", false), ("false", false), ("true", false));

    /// <summary>Columns inside the projection; null for those of a key.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>Whether a two-layer network computes the prefix from one small table.</summary>
    public bool PrefixProjection { get; init; }

    /// <summary>Whether the prefix starts at zero; otherwise it is random.</summary>
    internal bool InitZero { get; init; }

    private protected override bool PutsTokens => false;

    private protected override int ColumnsIn(TransformerModel model) => model.KeyColumns;

    private protected override int HeadsIn(TransformerModel model) => model.KeyHeadCount;

    internal override PromptLearningConfig Resolved(AttachContext context)
    {
        if (!context.Base.TakesPrefix)
        {
            throw context.Base is Seq2SeqModel
                ? new BadInputException("prefix tuning of an encoder-decoder puts keys before those of the target text, which a " +
                    $"{context.Base.ModelType} model for {TaskSpec.NameOf(context.Base.Task)} does not have; use prompt tuning or a method " +
                    "that changes layers")
                : new BadInputException("prefix tuning puts keys before those of the tokens, but the attention of " +
                    $"{context.Base.ModelType} models depends on the distances between keys and queries, which those do not have; use " +
                    "prompt tuning or P-tuning");
        }
        if (NumAttentionHeads is { } heads && heads != HeadsIn(context.Base))
        {
            context.Warnings?.Add(
                $"{context.Place}: num_attention_heads is {heads}, but the keys of this model have {HeadsIn(context.Base)} heads, which " +
                "is what counts");
        }
        return (this with { EncoderHiddenSize = EncoderHiddenSize ?? TokenDim ?? ColumnsIn(context.Base) }).WithSizesOf(context);
    }

    internal override PromptEncoder NewEncoder(AttachContext context)
    {
        if (context.Base is Seq2SeqModel model && model.DecoderLayerCount > model.LayerCount)
        {
            throw new BadInputException($"the decoder of this {model.ModelType} model has {model.DecoderLayerCount} blocks, and a prefix " +
                $"has keys for the {model.LayerCount} of the encoder only, as in Hugging Face PEFT; choose prompt tuning");
        }
        return PrefixProjection && context.IsNew ? new ProjectedPrefix(context, this) : new TablePrefix(context, this);
    }
}

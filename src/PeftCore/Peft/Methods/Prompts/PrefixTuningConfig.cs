using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft.Prompts;

/// <summary>Hyperparameters of prefix tuning (Li and Liang 2021; without projection also P-tuning v2, Liu et al. 2022): keys and values
/// that every layer finds before those of the tokens.</summary>
public sealed record PrefixTuningConfig : PromptLearningConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public PrefixTuningConfig()
    {
    }

    private PrefixTuningConfig(ConfigReader config) : base(config)
    {
        EncoderHiddenSize = config.IntOrNull("encoder_hidden_size", min: 1);
        PrefixProjection = config.Bool("prefix_projection", false);
        var (init, problem) = ConfigFields.Start(config, "init_weights", "false", "zero");
        (InitZero, StartProblem) = (init == "zero", problem);
    }

    /// <inheritdoc/>
    public override string PeftType => "PREFIX_TUNING";

    /// <summary>Columns inside the projection; null for those of a key.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>Whether a network makes the prefix from one small table.</summary>
    public bool PrefixProjection { get; init; }

    /// <summary>Start from zeros instead of random numbers.</summary>
    public bool InitZero { get; init; }

    internal static PrefixTuningConfig Read(ConfigReader config) => new(config);

    internal override void WriteOwn(JsonObject json)
    {
        json["encoder_hidden_size"] = EncoderHiddenSize;
        json["prefix_projection"] = PrefixProjection;
        json["init_weights"] = InitZero ? "zero" : null;
    }

    private protected override int ColumnsIn(CausalModel model) => model.KeyColumns;

    private protected override int HeadsIn(CausalModel model) => model.KeyHeadCount;

    internal override PromptLearningConfig Resolved(AttachContext context)
    {
        if (NumAttentionHeads is { } heads && heads != HeadsIn(context.Base))
        {
            context.Warnings?.Add(
                $"{context.Place}: num_attention_heads is {heads}, but the keys of this model have {HeadsIn(context.Base)} heads, which " +
                "is what counts");
        }
        var resolved = (PrefixTuningConfig)base.Resolved(context);
        return resolved with { EncoderHiddenSize = EncoderHiddenSize ?? resolved.TokenDim };
    }

    internal override PromptEncoder NewEncoder(AttachContext context) =>
        PrefixProjection && context.IsNew ? new ProjectedPrefix(context, this) : new TablePrefix(context, this);
}

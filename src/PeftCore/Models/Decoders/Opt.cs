using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>OPT (Zhang et al. 2022): learned positions whose table begins with two unused rows, ReLU, a tied head. OPT-350M has its norms
/// after the sums, no final norm, and embeddings of another size than its hidden states.</summary>
internal static class Opt
{
    private const string Before = "do_layer_norm_before", NoFinal = "_remove_final_layer_norm", EmbeddingSize = "word_embed_proj_dim";
    private const string AttentionNorm = "self_attn_layer_norm", FeedForwardNorm = "final_layer_norm";

    // Rows of the table before that of position 0.
    private const int PositionOffset = 2;

    private static readonly GptNames Fields = new()
    {
        Inner = "ffn_dim",
        Epsilon = "layer_norm_eps",
        UsualActivation = "relu",
        Own = [Before],
    };

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = GptFields.Read(config, Fields);
        bool before = config.Bool(Before, true), bias = config.Bool("enable_bias", true);
        if (!config.Bool("layer_norm_elementwise_affine", true))
        {
            throw config.Error("layer_norm_elementwise_affine", "is false, which is not supported; expected true");
        }
        if (config.Float("layerdrop", 0, min: 0, max: 1) is var layers and > 0)
        {
            warnings?.Add(config.Sentence("layerdrop", $"is {layers:R}, but no block is left out in training here"));
        }
        int embedding = config.Int(EmbeddingSize, spec.HiddenSize, min: 1, max: DecoderFields.MostColumns);
        float dropout = DecoderFields.Dropout(config, "dropout", 0.1);
        return spec with
        {
            Names = new DecoderNames
            {
                Body = "model.decoder",
                FinalNorm = before && !config.Bool(NoFinal, false) ? "final_layer_norm" : null,
                Output = "out_proj",
                Mlp = "",
                Up = "fc1",
                Down = "fc2",
                Norms = before ? new(AttentionNorm, FeedForwardNorm) : new(null, null, AttentionNorm, FeedForwardNorm),
            },
            Norm = NormKind.Layer,
            Order = before ? BlockOrder.Sequential : BlockOrder.NormOfSum,
            LearnedPositionOffset = PositionOffset,
            PositionsOfMask = true,
            EmbeddingSize = embedding == spec.HiddenSize ? 0 : embedding,
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = bias,
            AttentionDropout = dropout,
            MlpDropout = dropout,
            ProbabilityDropout = DecoderFields.Dropout(config, "attention_dropout", 0),
        };
    }
}

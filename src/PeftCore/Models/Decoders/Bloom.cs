using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>BLOOM (BigScience 2022): ALiBi instead of positions, a norm of the embeddings, one fused q, k, v projection with the three
/// parts of a head side by side, the tanh form of GELU.</summary>
internal static class Bloom
{
    private const string AfterNorm = "apply_residual_connection_post_layernorm";

    private static readonly DecoderNames Names = new()
    {
        Body = "transformer",
        Embedding = "word_embeddings",
        EmbeddingNorm = "word_embeddings_layernorm",
        Layers = "h",
        FinalNorm = "ln_f",
        Attention = "self_attention",
        Qkv = "query_key_value",
        Output = "dense",
        Up = "dense_h_to_4h",
        Down = "dense_4h_to_h",
    };

    private static readonly GptNames Fields = new()
    {
        Hidden = ["hidden_size", "n_embed"],
        Layers = ["n_layer", "num_hidden_layers"],
        Heads = ["n_head", "num_attention_heads"],
        Length = null,
        Activation = null,
        UsualActivation = "gelu_pytorch_tanh",
        Own = [AfterNorm],
    };

    /// <summary>Reads a config.json. slow_but_exact and pretraining_tp change the order of sums only.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = GptFields.Read(config, Fields);
        float dropout = DecoderFields.Dropout(config, "hidden_dropout", 0);
        return spec with
        {
            Names = Names,
            AlibiSlopes = GptFields.Slopes(spec.Heads),
            QkvPerKeyHead = true,
            ResidualAfterNorm = config.Bool(AfterNorm, false),
            AttentionDropout = dropout,
            MlpDropout = dropout,
            ProbabilityDropout = DecoderFields.Dropout(config, "attention_dropout", 0),
        };
    }
}

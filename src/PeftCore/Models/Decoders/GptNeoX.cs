using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>GPT-NeoX (Black et al. 2022), Pythia, RedPajama, Dolly: rotary positions of a quarter of each head, parallel blocks with a norm
/// for each sublayer, one fused q, k, v projection with the three parts of a head side by side, an untied head.</summary>
internal static class GptNeoX
{
    private const string Part = "rotary_pct", OldBase = "rotary_emb_base", Parallel = "use_parallel_residual";

    private static readonly DecoderNames Names = new()
    {
        Body = "gpt_neox",
        Embedding = "embed_in",
        FinalNorm = "final_layer_norm",
        HeadInFiles = "embed_out",
        Attention = "attention",
        Qkv = "query_key_value",
        Output = "dense",
        Up = "dense_h_to_4h",
        Down = "dense_4h_to_h",
    };

    private static readonly GptNames Fields = new()
    {
        Inner = "intermediate_size",
        Epsilon = "layer_norm_eps",
        Activation = "hidden_act",
        UsualActivation = "gelu",
        Tied = false,
        Own = [Parallel, Part, "partial_rotary_factor"],
    };

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = GptFields.Read(config, Fields);
        bool bias = config.Bool("attention_bias", true), parallel = config.Bool(Parallel, true);
        float dropout = DecoderFields.Dropout(config, "hidden_dropout", 0);
        return (spec with
        {
            Names = Names,
            Order = parallel ? BlockOrder.Parallel : BlockOrder.Sequential,
            QkvPerKeyHead = true,
            QkvBias = bias,
            OutputBias = bias,
            EmbeddingDropout = dropout,
            AttentionDropout = dropout,
            MlpDropout = dropout,
            ProbabilityDropout = DecoderFields.Dropout(config, "attention_dropout", 0),
        }).WithRope(config, config.Float(Part, 0.25, min: 0, max: 1), config.Float(OldBase, 10000, min: 1), warnings);
    }
}

using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>StarCoder 2 (Lozhkov et al. 2024): GPT-2's block (layer norm, biases, GELU without a gate, dropout) with LLaMA's attention
/// (rotary positions, grouped keys) and, in some sizes, a sliding window.</summary>
internal static class StarCoder2
{
    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            MaxLength = 4096,
            KeyHeads = 2,
            EpsilonName = "norm_epsilon",
            Epsilon = 1e-5,
            Activation = "gelu_pytorch_tanh",
            Tied = true,
        }, warnings);
        bool bias = config.Bool("use_bias", true);
        float dropout = DecoderFields.Dropout(config, "residual_dropout", 0);
        return spec with
        {
            Names = new DecoderNames { Up = "c_fc", Down = "c_proj" },
            Norm = NormKind.Layer,
            Mlp = MlpKind.Plain,
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = bias,
            Windows = WindowSettings.Mistral(config, spec.Layers, fallback: null),
            EmbeddingDropout = DecoderFields.Dropout(config, "embedding_dropout", 0),
            AttentionDropout = dropout,
            MlpDropout = dropout,
        };
    }
}

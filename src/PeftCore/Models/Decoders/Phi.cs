using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Phi 1, 1.5 and 2 (Gunasekar et al. 2023): parallel blocks with one norm, rotary positions of half of each head, biases
/// everywhere, the head's included.</summary>
internal static class Phi
{
    private static readonly DecoderNames Names = new()
    {
        FinalNorm = "final_layernorm",
        Output = "dense",
        QueryNorm = "q_layernorm",
        KeyNorm = "k_layernorm",
        Up = "fc1",
        Down = "fc2",
        Norms = BlockNorms.Shared,
    };

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            EpsilonName = "layer_norm_eps",
            Epsilon = 1e-5,
            Activation = "gelu_new",
            RotaryPart = 0.5,
            Own = ["qk_layernorm"],
        }, warnings);
        float dropout = DecoderFields.Dropout(config, "resid_pdrop", 0);
        return spec with
        {
            Names = Names,
            Order = BlockOrder.Parallel,
            Norm = NormKind.Layer,
            QkNorm = config.Bool("qk_layernorm", false) ? QkNorm.PerHead : QkNorm.None,
            QkvBias = true,
            OutputBias = true,
            Mlp = MlpKind.Plain,
            MlpBias = true,
            HeadBias = true,
            Windows = WindowSettings.None(config, spec, warnings),
            EmbeddingDropout = DecoderFields.Dropout(config, "embd_pdrop", 0),
            AttentionDropout = dropout,
            MlpDropout = dropout,
        };
    }
}

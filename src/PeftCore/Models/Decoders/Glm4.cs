using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>GLM-4-0414 (GLM Team 2024): LLaMA with norms before and after each sublayer, biases of q, k and v, rotary positions of
/// neighbouring columns in half of each head, and gate, up in one projection.</summary>
internal static class Glm4
{
    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            MaxLength = 131072,
            KeyHeads = 2,
            HeadDim = 128,
            Epsilon = 1.5625e-7,
            AttentionBias = true,
            RotaryPart = 0.5,
            Interleaved = true,
        }, warnings);
        return spec with
        {
            Names = new DecoderNames
            {
                Norms = new BlockNorms("input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm"),
            },
            Mlp = MlpKind.FusedGated,
            OutputBias = false,
            Windows = WindowSettings.None(config, spec, warnings),
        };
    }
}

using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>LLaMA (Touvron et al. 2023), the family that most others are said by their difference from: RMS norm before each sublayer,
/// rotary positions, grouped-query attention, SwiGLU, no biases. Mistral (Jiang et al. 2023) adds a sliding window, Qwen2 (Yang et al.
/// 2024) biases of q, k and v and a window in the upper blocks, Qwen3 (Yang et al. 2025) a norm of each head of q and k instead of the
/// biases.</summary>
internal static class Llama
{
    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings = null)
    {
        string type = config.String("model_type");
        var family = new FamilyFields { AttentionBias = false, MlpBias = false };
        family = type switch
        {
            "mistral" => family with { MaxLength = 131072, KeyHeads = 8 },
            "qwen2" => family with { MaxLength = 32768, KeyHeads = 32, AttentionBias = true },
            "qwen3" => family with { MaxLength = 32768, KeyHeads = 32, HeadDim = 128, Own = ["use_qk_norm", "qk_norm"] },
            _ => family,
        };
        var spec = DecoderFields.Read(config, family, warnings);
        spec = spec with
        {
            Windows = type switch
            {
                "mistral" => WindowSettings.Mistral(config, spec.Layers),
                "qwen2" or "qwen3" => WindowSettings.Qwen(config, spec.Layers, warnings),
                _ => WindowSettings.None(config, spec, warnings),
            },
            QkNorm = type == "qwen3" ? QkNorm.PerHead : QkNorm.None,
        };
        if (type != "qwen2")
        {
            return spec;
        }
        if (!spec.QkvBias)
        {
            warnings?.Add(config.Sentence("attention_bias",
                "is false, but q, k and v of qwen2 models always have biases; it is ignored, as in transformers"));
        }
        return spec with { QkvBias = true, OutputBias = false };
    }
}

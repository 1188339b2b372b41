using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Granite 3 (Granite Team 2024): LLaMA with four factors in the manner of μP (Yang et al. 2022): of the embeddings, the scores,
/// what sublayers add to the residual stream, and the logits, which are divided by theirs.</summary>
internal static class Granite
{
    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            AttentionBias = false,
            MlpBias = false,
            Own = ["embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"],
        }, warnings);
        return spec with
        {
            Windows = WindowSettings.None(config, spec, warnings),
            EmbeddingMultiplier = Factor("embedding_multiplier"),
            AttentionScale = Factor("attention_multiplier"),
            ResidualMultiplier = Factor("residual_multiplier"),
            LogitMultiplier = 1 / Factor("logits_scaling"),
        };

        float Factor(string name) => (float)config.Float(name, 1, min: 1e-6, max: 1e6);
    }
}

using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Phi-3 (Abdin et al. 2024) and Phi-4: LLaMA with q, k, v in one projection and gate, up in another, dropout of sublayers, and
/// LongRoPE in the models with long contexts; Phi-4-mini turns a part of each head.</summary>
internal static class Phi3
{
    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            MaxLength = 4096,
            OriginalLength = 4096,
            Epsilon = 1e-5,
            RotaryPart = 1,
            RopeAliases = new Dictionary<string, string> { ["su"] = "longrope", ["yarn"] = "longrope" },
        }, warnings);
        float dropout = DecoderFields.Dropout(config, "resid_pdrop", 0);
        if (DecoderFields.Dropout(config, "embd_pdrop", 0) is var unused and > 0)
        {
            warnings?.Add(config.Sentence("embd_pdrop", $"is {unused}, but phi3 models have no dropout there; it is ignored, as in " +
                "transformers"));
        }
        return spec with
        {
            Names = new DecoderNames { Qkv = "qkv_proj" },
            Mlp = MlpKind.FusedGated,
            Windows = WindowSettings.Mistral(config, spec.Layers, fallback: null),
            AttentionDropout = dropout,
            MlpDropout = dropout,
        };
    }
}

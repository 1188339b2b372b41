using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Gemma 2 (Gemma Team 2024): Gemma with norms before and after each sublayer, a sliding window in every other block, soft caps of
/// scores and logits, and a scale of scores of its own.</summary>
internal static class Gemma2
{
    private const double UsualScalar = 256;

    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, Fields with { MaxLength = 8192 }, warnings);
        return Capped(spec, config, attention: 50, logits: 30) with
        {
            Windows = WindowSettings.Alternating(config, spec.Layers, i => i % 2 == 0),
        };
    }

    /// <summary>Defaults that Gemma 3 shares.</summary>
    internal static FamilyFields Fields { get; } = new()
    {
        KeyHeads = 4,
        HeadDim = 256,
        ActivationName = "hidden_activation",
        Activation = "gelu_pytorch_tanh",
        AttentionBias = false,
        Tied = true,
        Own = ["query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"],
    };

    /// <summary>Norms, scale and soft caps.</summary>
    /// <param name="spec">The sizes.</param>
    /// <param name="config">config.json.</param>
    /// <param name="attention">The cap of scores if the field is absent; null means none.</param>
    /// <param name="logits">The cap of logits likewise.</param>
    internal static DecoderSpec Capped(DecoderSpec spec, ConfigReader config, double? attention, double? logits)
    {
        return Gemma.Scaled(spec) with
        {
            Names = new DecoderNames { Norms = BlockNorms.PreAndPost },
            AttentionScale = (float)(1 / Math.Sqrt(config.Float("query_pre_attn_scalar", UsualScalar, min: 1e-6, max: 1e9))),
            AttentionSoftCap = Cap("attn_logit_softcapping", attention),
            LogitSoftCap = Cap("final_logit_softcapping", logits),
        };

        float Cap(string name, double? usual) =>
            (float)((config.Names.Contains(name) ? config.FloatOrNull(name, min: 1e-6, max: 1e9) : usual) ?? 0);
    }
}

using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Command R (Cohere 2024): parallel blocks with one layer norm without bias, rotary positions of neighbouring columns, logits
/// times a factor, a tied head; Command R+ normalises q and k with a scale for each head. Cohere 2 (Command R7B, Command A 2025) has a
/// window in three of four blocks, and the others have no positions.</summary>
internal static class Cohere
{
    private const string Positions = "position_embedding_type";

    private static readonly FamilyFields Fields = new()
    {
        MaxLength = 8192,
        EpsilonName = "layer_norm_eps",
        Epsilon = 1e-5,
        AttentionBias = false,
        Tied = true,
        Interleaved = true,
        Own = ["logit_scale", Positions],
    };

    /// <summary>Reads a config.json of Cohere.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, Fields with { Theta = 500000, Own = [.. Fields.Own, "use_qk_norm"] }, warnings);
        return Parallel(spec, config) with
        {
            Windows = WindowSettings.None(config, spec, warnings),
            QkNorm = config.Bool("use_qk_norm", false) ? QkNorm.HeadWeights : QkNorm.None,
        };
    }

    /// <summary>Reads a config.json of Cohere 2.</summary>
    public static DecoderSpec Read2(ConfigReader config, ICollection<string>? warnings)
    {
        const string pattern = "sliding_window_pattern";
        int every = config.Int(pattern, config.Int("_" + pattern, 4, min: 1), min: 1);
        var spec = DecoderFields.Read(config, Fields with { Own = [.. Fields.Own, pattern] }, warnings);
        var windows = WindowSettings.Alternating(config, spec.Layers, i => (i + 1) % every != 0);
        var rope = spec.Rope[0];
        return Parallel(spec, config) with
        {
            Windows = windows,
            Rope = new PerLayer<RopeSpec?>(Enumerable.Range(0, spec.Layers).Select(i => windows[i] > 0 ? rope : null)),
        };
    }

    private static DecoderSpec Parallel(DecoderSpec spec, ConfigReader config)
    {
        config.Choice(Positions, "rope_gptj", "rope_gptj", "rope", "rotary");
        return spec with
        {
            Names = new DecoderNames { Norms = BlockNorms.Shared },
            Order = BlockOrder.Parallel,
            Norm = NormKind.LayerWithoutBias,
            LogitMultiplier = (float)config.Float("logit_scale", 0.0625, min: 1e-6, max: 1e6),
        };
    }
}

using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>OLMo 2 (OLMo Team 2025): LLaMA with norms after the sublayers instead of before them, and norms of q and k over all heads
/// together. OLMo 3 adds a sliding window in three of four blocks; scaled positions belong to the others only.</summary>
internal static class Olmo
{
    private static readonly FamilyFields Fields = new() { Epsilon = 1e-5, AttentionBias = false };

    /// <summary>Reads a config.json of OLMo 2.</summary>
    public static DecoderSpec Read2(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, Fields, warnings);
        return PostNorm(spec) with { Windows = WindowSettings.None(config, spec, warnings) };
    }

    /// <summary>Reads a config.json of OLMo 3.</summary>
    public static DecoderSpec Read3(ConfigReader config, ICollection<string>? warnings) => PostNorm(DecoderFields.ReadByKind(config,
        Fields with { Theta = 500000 }, slidingTheta: null,
        sizes => WindowSettings.Alternating(config, sizes.Layers, i => (i + 1) % 4 != 0), warnings));

    private static DecoderSpec PostNorm(DecoderSpec spec) =>
        spec with { Names = new DecoderNames { Norms = BlockNorms.Post }, QkNorm = QkNorm.WholeProjection };
}

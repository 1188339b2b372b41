using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>Gemma 3 (Gemma Team 2025), its text model: Gemma 2 with a norm of each head of q and k instead of soft caps, a window in five
/// of six blocks, and rotary positions of base 10⁴ in those and 10⁶ in the others.</summary>
internal static class Gemma3
{
    private const string Pattern = "sliding_window_pattern", Local = "rope_local_base_freq";

    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var family = Gemma2.Fields with
        {
            MaxLength = 131072,
            Theta = 1e6,
            Own = [.. Gemma2.Fields.Own, Pattern, Local],
        };
        int every = config.Int(Pattern, config.Int("_" + Pattern, 6, min: 1), min: 1);
        var spec = DecoderFields.ReadByKind(config, family, config.Float(Local, 10000, min: 1),
            sizes => WindowSettings.Alternating(config, sizes.Layers, i => (i + 1) % every != 0), warnings);
        return Gemma2.Capped(spec, config, attention: null, logits: null) with { QkNorm = QkNorm.PerHead };
    }
}

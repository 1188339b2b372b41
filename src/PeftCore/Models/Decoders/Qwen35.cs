using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>The text model of Qwen3.5 (Qwen Team 2026): gated delta layers, with gated full attention in every full_attention_interval-th
/// block. RMS norms have the scale 1 + w, and a quarter of each head has rotary positions.</summary>
internal static class Qwen35
{
    private const string Kinds = "layer_types", Linear = "linear_attention", Full = "full_attention";

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings = null)
    {
        var family = new FamilyFields
        {
            MaxLength = 32768,
            KeyHeads = 4,
            HeadDim = 256,
            AttentionBias = false,
            RotaryPart = 0.25,
            Own = ["attn_output_gate"],
        };
        if (!config.Bool("attn_output_gate", true))
        {
            throw config.Error("attn_output_gate", "is false, but the attention of qwen3_5_text models always has a gate");
        }
        var spec = DecoderFields.Read(config, family, warnings);
        bool[] isLinear = KindsOf(config, spec.Layers);
        var delta = DeltaNetSpec.Read(config);
        return spec with
        {
            Norm = NormKind.RmsPlusOne,
            QkNorm = QkNorm.PerHead,
            OutputBias = spec.QkvBias,
            AttentionGate = true,
            ReadsTokenMask = true,
            MixerFactory = (own, layer, _) => isLinear[layer] ? ("linear_attn", new GatedDeltaNet(own, delta, layer)) : null,
            IsLeftOut = name => name.StartsWith("mtp.", StringComparison.Ordinal),
        };
    }

    private static bool[] KindsOf(ConfigReader config, int layers)
    {
        int interval = config.Int("full_attention_interval", 4, min: 1);
        if (config.StringsOrNull(Kinds) is not { } kinds)
        {
            return [.. Enumerable.Range(1, layers).Select(block => block % interval != 0)];
        }
        if (kinds.Length != layers)
        {
            throw config.Error(Kinds, $"lists {kinds.Length} blocks, but the model has {layers}");
        }
        return kinds.FirstOrDefault(kind => kind is not (Linear or Full)) is { } other
            ? throw config.Error(Kinds, $"has \"{other}\", which is not supported; supported are {Linear}, {Full}")
            : Array.ConvertAll(kinds, kind => kind == Linear);
    }
}

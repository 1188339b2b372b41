using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>SmolLM3 (Bakouch et al. 2025): LLaMA without positions in every fourth block (Yang et al. 2025, "RoPE to NoPE and Back
/// Again").</summary>
internal static class SmolLm3
{
    private const string WithoutRope = "no_rope_layers", Interval = "no_rope_layer_interval";

    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            MaxLength = 32768,
            KeyHeads = 4,
            Theta = 2e6,
            AttentionBias = false,
            MlpBias = false,
            Tied = true,
            Own = [WithoutRope, Interval],
        }, warnings);
        var rope = spec.Rope[0];
        bool[] turns = RotaryLayers(config, spec.Layers);
        return spec with
        {
            Rope = new PerLayer<RopeSpec?>(turns.Select(turn => turn ? rope : null)),
            Windows = WindowSettings.Optional(config, spec.Layers, i => !turns[i], warnings),
        };
    }

    /// <summary>The blocks with rotary positions: those with a 1 in no_rope_layers.</summary>
    private static bool[] RotaryLayers(ConfigReader config, int layers)
    {
        int every = config.Int(Interval, 4, min: 1);
        if (config.IntsOrNull(WithoutRope) is not { } given)
        {
            return [.. Enumerable.Range(1, layers).Select(number => number % every != 0)];
        }
        if (given.Length < layers)
        {
            throw config.Error(WithoutRope, $"lists {given.Length} blocks, but the model has {layers}");
        }
        foreach (int value in given)
        {
            if (value is not (0 or 1))
            {
                throw config.Error(WithoutRope, $"has {value}, expected 1 for a block with rotary positions and 0 for one without");
            }
        }
        return [.. given.Take(layers).Select(value => value == 1)];
    }
}

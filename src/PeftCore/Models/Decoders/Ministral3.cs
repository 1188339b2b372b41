using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Ministral 3 (Liu et al. 2026): Mistral with YaRN, and queries that grow with their position beyond the context of pre-training,
/// as in Llama 4.</summary>
internal static class Ministral3
{
    private const string Parameters = "rope_parameters", Beta = "llama_4_scaling_beta", Original = "original_max_position_embeddings";

    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            MaxLength = 262144,
            KeyHeads = 8,
            HeadDim = 128,
            Epsilon = 1e-5,
            Theta = 1e6,
            RopeOwn = [Beta, "max_position_embeddings"],
        }, warnings);
        spec = spec with { Windows = WindowSettings.Mistral(config, spec.Layers, fallback: null) };
        if (config.ObjectOrNull(Parameters) is not { } rope)
        {
            // The positions of the published models.
            return config.ObjectOrNull("rope_scaling") is not null
                ? throw config.Error("rope_scaling", $"stands without \"{Parameters}\", which ministral3 models read; rename it")
                : spec with
                {
                    Rope = new RopeSpec(1e6, new YarnRope(16, 16384, 32, 1, Truncate: true, CosineFactor: 1), spec.HeadDim),
                    QueryGrowth = new QueryGrowth(0.1f, 16384),
                };
        }
        float beta = (float)rope.Float(Beta, min: 0, max: 1e3);
        return beta == 0 ? spec : spec with { QueryGrowth = new QueryGrowth(beta, rope.Int(Original, min: 1)) };
    }
}

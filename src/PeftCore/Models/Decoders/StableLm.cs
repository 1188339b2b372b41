using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>StableLM (Bellagente et al. 2024): LLaMA with layer norm, rotary positions of a quarter of each head and, by choice, biases of
/// q, k and v, norms of q and k, and parallel blocks with one norm.</summary>
internal static class StableLm
{
    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            MaxLength = 4096,
            KeyHeads = 32,
            EpsilonName = "layer_norm_eps",
            Epsilon = 1e-5,
            RotaryPart = 0.25,
            Own = ["qk_layernorm", "use_parallel_residual"],
        }, warnings);
        bool parallel = config.Bool("use_parallel_residual", false);
        return spec with
        {
            Names = new DecoderNames
            {
                Norms = parallel ? BlockNorms.Shared : BlockNorms.Pre,
                QueryNorm = "q_layernorm",
                KeyNorm = "k_layernorm",
            },
            Order = parallel ? BlockOrder.Parallel : BlockOrder.Sequential,
            Norm = NormKind.Layer,
            QkvBias = config.Bool("use_qkv_bias", false),
            QkNorm = config.Bool("qk_layernorm", false) ? QkNorm.HeadModules : QkNorm.None,
            Windows = WindowSettings.None(config, spec, warnings),
            MlpDropout = DecoderFields.Dropout(config, "hidden_dropout", 0),
        };
    }
}

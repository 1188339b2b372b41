using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Gemma (Gemma Team 2024): LLaMA with GeGLU, heads of a size of their own, norms that scale by 1 + w, token embeddings times √C,
/// and a tied head.</summary>
internal static class Gemma
{
    /// <summary>The norms' and embeddings' differences, which the later versions have too.</summary>
    internal static DecoderSpec Scaled(DecoderSpec spec) =>
        spec with { Norm = NormKind.RmsPlusOne, TokenMultiplier = MathF.Sqrt(spec.HiddenSize) };

    /// <summary>Reads a config.json.</summary>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings)
    {
        // hidden_act is read, unless hidden_activation, which earlier versions of transformers had, stands in its place.
        bool earlier = config.Has("hidden_activation") && !config.Has("hidden_act");
        var spec = DecoderFields.Read(config, new FamilyFields
        {
            MaxLength = 8192,
            KeyHeads = 16,
            HeadDim = 256,
            ActivationName = earlier ? "hidden_activation" : "hidden_act",
            Activation = "gelu_pytorch_tanh",
            AttentionBias = false,
            Tied = true,
        }, warnings);
        return Scaled(spec) with { Windows = WindowSettings.None(config, spec, warnings) };
    }
}

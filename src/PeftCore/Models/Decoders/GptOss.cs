using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>gpt-oss (OpenAI 2025, "gpt-oss-120b &amp; gpt-oss-20b Model Card"): a mixture of experts in every block, windows in every
/// second one, a sink in each head's softmax, biases everywhere, and a clamped SwiGLU. Experts are stored fused; those in MXFP4 become BF16
/// as they are read.</summary>
internal static class GptOss
{
    private const double Limit = 7;

    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings = null)
    {
        var family = new FamilyFields
        {
            MaxLength = 131072,
            KeyHeads = 8,
            HeadDim = 64,
            Epsilon = 1e-5,
            Theta = 150000,
            AttentionBias = true,
            Own = MixtureFields.Own,
        };
        var spec = DecoderFields.Read(config, family, warnings);
        var (count, perToken) = MixtureFields.Counts(config, 128, 4, "num_local_experts", "num_experts");
        if (config.Float("swiglu_limit", Limit) is var limit && limit != Limit)
        {
            throw config.Error("swiglu_limit", $"is {limit}, but the clamped SwiGLU of gpt_oss models has the limit {Limit}");
        }
        return (spec with
        {
            Windows = WindowSettings.Alternating(config, spec.Layers, layer => layer % 2 == 0, fallback: 128),
            AttentionSinks = true,
        }).WithExperts(config, new ExpertSpec
        {
            Count = count,
            BalanceFactor = MixtureFields.BalanceFactor(config, usual: 0.9),
            IntermediateSize = spec.IntermediateSize,
            Router = new RouterSpec(RouterKind.TopKSoftmax, perToken, HasBias: true),
            RouterName = "router",
            IsGptOss = true,
        }, _ => true);
    }
}

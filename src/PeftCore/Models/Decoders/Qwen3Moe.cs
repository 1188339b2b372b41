using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Qwen3-MoE (Yang et al. 2025, "Qwen3 Technical Report"): Qwen3 with a mixture of experts in every decoder_sparse_step-th block
/// but those that mlp_only_layers names. Files hold one linear layer an expert; so does what is saved.</summary>
internal static class Qwen3Moe
{
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
            HeadDim = 128,
            AttentionBias = false,
            Own = [.. MixtureFields.Own, "use_qk_norm", "qk_norm"],
        };
        var spec = DecoderFields.Read(config, family, warnings);
        var (count, perToken) = MixtureFields.Counts(config, 128, 8, "num_experts", "num_local_experts");
        int step = config.Int("decoder_sparse_step", 1, min: 1);
        int[] dense = config.IntsOrNull("mlp_only_layers") ?? [];
        spec = spec with
        {
            Windows = WindowSettings.Qwen(config, spec.Layers, warnings),
            QkNorm = QkNorm.PerHead,
            OutputBias = spec.QkvBias,
        };
        return spec.WithExperts(config, new ExpertSpec
        {
            Count = count,
            BalanceFactor = MixtureFields.BalanceFactor(config, usual: 0.001),
            IntermediateSize = config.Int("moe_intermediate_size", 768, min: 1, max: DecoderFields.MostColumns),
            Router = new RouterSpec(config.Bool("norm_topk_prob", false) ? RouterKind.TopKSoftmax : RouterKind.SoftmaxTopK, perToken),
            FileNames = new ExpertNames("mlp", "gate_proj", "up_proj", "down_proj"),
        }, layer => !dense.Contains(layer) && (layer + 1) % step == 0);
    }
}

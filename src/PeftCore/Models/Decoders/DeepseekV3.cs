using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>DeepSeek-V3 (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report"): multi-head latent attention, dense MLPs in the first blocks and
/// mixtures of experts in the others, whose router has sigmoids, groups, and a bias for the choice, and whose MLP has a part that all
/// tokens share. Files hold one linear layer an expert; so does what is saved. Their layers for multi-token prediction are left
/// out.</summary>
internal static class DeepseekV3
{
    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings = null)
    {
        var latent = LatentSpec.Read(config);
        if (config.IntOrNull("head_dim") is { } headDim && headDim != latent.RopeDim)
        {
            throw config.Error("head_dim",
                $"is {headDim}, but deepseek_v3 models turn qk_rope_head_dim = {latent.RopeDim} columns of a head");
        }
        var family = new FamilyFields
        {
            MaxLength = 4096,
            HeadDim = latent.RopeDim,
            AttentionBias = false,
            Interleaved = config.Bool("rope_interleave", true),
            Own = [.. MixtureFields.Own, "rope_interleave", "kv_lora_rank", "q_lora_rank"],
        };
        var spec = DecoderFields.Read(config, family, warnings);
        if (spec.KeyHeads != spec.Heads)
        {
            throw config.Error("num_key_value_heads", $"is {spec.KeyHeads}, but latent attention has a key for each of {spec.Heads} heads");
        }
        RefuseOthers(config);
        var (count, perToken) = MixtureFields.Counts(config, 256, 8, "n_routed_experts", "num_local_experts");
        int inner = config.Int("moe_intermediate_size", 2048, min: 1, max: DecoderFields.MostColumns);
        int firstMixture = config.Int("first_k_dense_replace", 3, min: 0);
        string nextLayer = $"layers.{spec.Layers}.";
        return (spec with
        {
            Windows = WindowSettings.None(config, spec, warnings),
            HeadDim = latent.NopeDim + latent.RopeDim,
            ValueDim = latent.ValueDim,
            AttentionScale = latent.Scale(config),
            MixerFactory = (own, layer, positions) => (own.Names.Attention, new LatentAttention(own, latent, layer, positions)),
            IsLeftOut = config.Int("num_nextn_predict_layers", 0, min: 0) == 0 ? null
                : name => name.StartsWith(nextLayer, StringComparison.Ordinal) || name.Contains("." + nextLayer, StringComparison.Ordinal),
        }).WithExperts(config, new ExpertSpec
        {
            Count = count,
            IntermediateSize = inner,
            Router = new RouterSpec(RouterKind.Sigmoid, perToken, config.Bool("norm_topk_prob", true),
                (float)config.Float("routed_scaling_factor", 2.5), MixtureFields.Groups(config, count, perToken)),
            SharedSize = inner * config.Int("n_shared_experts", 1, min: 0, max: 1024),
            FileNames = new ExpertNames("mlp", "gate_proj", "up_proj", "down_proj"),
        }, layer => layer >= firstMixture);
    }

    /// <summary>Refuses settings that earlier code of the family had and that transformers does not read.</summary>
    private static void RefuseOthers(ConfigReader config)
    {
        MixtureFields.RefuseNoise(config);
        foreach (var (name, only) in (ReadOnlySpan<(string, string)>)[("scoring_func", "sigmoid"), ("topk_method", "noaux_tc")])
        {
            if (config.StringOrNull(name) is { } value && value != only)
            {
                throw config.Error(name, $"is \"{value}\"; deepseek_v3 models have \"{only}\"");
            }
        }
        if (config.Int("moe_layer_freq", 1) != 1)
        {
            throw config.Error("moe_layer_freq", "is not 1: every block from first_k_dense_replace on is a mixture of experts");
        }
    }
}

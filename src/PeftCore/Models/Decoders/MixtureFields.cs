using PeftCore.Io;
using PeftCore.Kernels;

namespace PeftCore.Models;

/// <summary>Fields of config.json that mixtures of experts share.</summary>
internal static class MixtureFields
{
    /// <summary>Names that these families read although most families have no experts.</summary>
    public static string[] Own { get; } = ["num_experts", "num_local_experts", "n_routed_experts"];

    /// <summary>The number of experts, under the first of its names that is present, and of those of a token.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="usual">Experts of a configuration without the field.</param>
    /// <param name="perToken">Experts of a token without the field.</param>
    /// <param name="names">Names of the number of experts, the family's own first.</param>
    /// <exception cref="BadInputException">The names disagree, or a token has more experts than there are.</exception>
    public static (int Count, int PerToken) Counts(ConfigReader config, int usual, int perToken, params ReadOnlySpan<string> names)
    {
        string own = names[0];
        foreach (string name in names)
        {
            if (!config.Has(own) && config.Has(name))
            {
                own = name;
            }
        }
        int count = config.Int(own, usual, min: 1, max: DecoderFields.MostLayers);
        foreach (string name in names)
        {
            if (config.IntOrNull(name) is { } other && other != count)
            {
                throw config.Error(name, $"is {other}, but \"{own}\" is {count}; both count the experts: keep one of them");
            }
        }
        int each = config.Int("num_experts_per_tok", perToken, min: 1);
        return each <= count ? (count, each)
            : throw config.Error("num_experts_per_tok", $"is {each}, but the model has {count} experts");
    }

    /// <summary>The factor of the load-balancing loss, which transformers adds if output_router_logits is true; 0 without it. Noise in the
    /// router is refused.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="usual">The factor of a configuration without router_aux_loss_coef.</param>
    public static float BalanceFactor(ConfigReader config, double usual)
    {
        RefuseNoise(config);
        return config.Bool("output_router_logits", false) ? (float)config.Float("router_aux_loss_coef", usual, min: 0) : 0;
    }

    /// <summary>Refuses noise in the router, which is not computed.</summary>
    public static void RefuseNoise(ConfigReader config)
    {
        if (config.Float("router_jitter_noise", 0) != 0)
        {
            throw config.Error("router_jitter_noise", "is not 0: noise on the router's input in training is not supported; set it to 0");
        }
    }

    /// <summary>Group-limited routing.</summary>
    public static ExpertGroups Groups(ConfigReader config, int experts, int perToken)
    {
        int count = config.Int("n_group", 1, min: 1), kept = config.Int("topk_group", 1, min: 1);
        if (experts % count != 0)
        {
            throw config.Error("n_group", $"is {count}, which does not divide the {experts} experts");
        }
        if (kept > count || kept * (experts / count) < perToken)
        {
            throw config.Error("topk_group",
                $"is {kept} of {count} groups with {experts / count} experts each, from which {perToken} experts cannot be chosen");
        }
        return count > 1 && experts / count < 2
            ? throw config.Error("n_group", $"is {count}: a group's score is the sum of two experts, but it has {experts / count}")
            : new ExpertGroups(count, kept);
    }

    /// <summary>The experts of a spec, which must have an activation that experts can have.</summary>
    public static DecoderSpec WithExperts(this DecoderSpec spec, ConfigReader config, ExpertSpec experts, Func<int, bool> isMixture)
    {
        if (!experts.IsGptOss && !Experts.Activations.Contains(spec.Activation))
        {
            throw config.Error("hidden_act", $"is \"{spec.Activation}\", which experts cannot have; they can have " +
                string.Join(", ", Experts.Activations));
        }
        return spec with
        {
            Experts = experts,
            MlpFactory = (own, layer) => isMixture(layer) ? new MixtureOfExperts(own) : null,
        };
    }
}

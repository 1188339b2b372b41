namespace PeftCore.Peft.Lora;

/// <summary>How <see cref="PeftModel.AddWeightedAdapter"/> makes one LoRA adapter of several. Below, w are the weights and s each adapter's
/// scale; "pruned" keeps the share of elements that the density says.</summary>
public enum CombinationType
{
    /// <summary>The closest update of the wanted rank to Σ w·s·B·A.</summary>
    Svd,

    /// <summary>A = Σ ±√|w·s|·A and B = Σ √|w·s|·B. Cheap; the product also holds B of one adapter times A of another.</summary>
    Linear,

    /// <summary>Exactly Σ w·s·B·A, with the ranks added up.</summary>
    Cat,

    /// <summary>Linear on pruned factors, where each element is the mean of those that have the sign most have (Yadav et al. 2023,
    /// TIES).</summary>
    Ties,

    /// <summary>TIES on the updates themselves, then the closest update of the wanted rank.</summary>
    TiesSvd,

    /// <summary>Linear on factors of which random elements are dropped and the rest is scaled up (Yu et al. 2023, DARE).</summary>
    DareLinear,

    /// <summary>TIES with random dropping in the place of pruning.</summary>
    DareTies,

    /// <summary>DARE on the updates themselves, then the closest update of the wanted rank.</summary>
    DareLinearSvd,

    /// <summary>TIES with random dropping on the updates themselves, then the closest update of the wanted rank.</summary>
    DareTiesSvd,

    /// <summary>Linear on factors of which only the largest elements are kept.</summary>
    MagnitudePrune,

    /// <summary>The sum of updates of which only the largest elements are kept, then the closest update of the wanted rank.</summary>
    MagnitudePruneSvd,
}

/// <summary>Which sign TIES takes for an element.</summary>
public enum MajoritySign
{
    /// <summary>The sign of the sum over the adapters.</summary>
    Total,

    /// <summary>The sign most of the adapters have.</summary>
    Frequency,
}

/// <summary>Properties and names of combinations.</summary>
internal static class CombinationTypes
{
    private static readonly Dictionary<string, CombinationType> ByName = new(StringComparer.Ordinal)
    {
        ["svd"] = CombinationType.Svd,
        ["linear"] = CombinationType.Linear,
        ["cat"] = CombinationType.Cat,
        ["ties"] = CombinationType.Ties,
        ["ties_svd"] = CombinationType.TiesSvd,
        ["dare_linear"] = CombinationType.DareLinear,
        ["dare_ties"] = CombinationType.DareTies,
        ["dare_linear_svd"] = CombinationType.DareLinearSvd,
        ["dare_ties_svd"] = CombinationType.DareTiesSvd,
        ["magnitude_prune"] = CombinationType.MagnitudePrune,
        ["magnitude_prune_svd"] = CombinationType.MagnitudePruneSvd,
    };

    /// <summary>The combination Hugging Face PEFT has under a name, such as "ties_svd".</summary>
    /// <exception cref="BadInputException">There is none of this name.</exception>
    public static CombinationType Parse(string name) => ByName.TryGetValue(name, out var type)
        ? type
        : throw new BadInputException($"there is no combination \"{name}\"; there are {string.Join(", ", ByName.Keys)}");

    extension(CombinationType type)
    {
        /// <summary>Whether it works on the updates B·A rather than on B and A, and so ends with a factorisation.</summary>
        public bool EndsWithSvd => type is CombinationType.Svd or CombinationType.TiesSvd or CombinationType.DareLinearSvd
            or CombinationType.DareTiesSvd
            or CombinationType.MagnitudePruneSvd;

        /// <summary>Whether it needs a density.</summary>
        public bool Prunes => type is not (CombinationType.Svd or CombinationType.Linear or CombinationType.Cat);
    }
}

namespace PeftCore.Peft.Lora;

/// <summary>How <see cref="PeftModel.AddWeightedAdapter"/> combines several adapters into one LoRA, with Hugging Face PEFT's names. w is
/// the weight and s the scale of each adapter; pruning keeps a fraction of the elements, the density.</summary>
public enum CombinationType
{
    /// <summary>The best approximation of Σ w·s·B·A of the requested rank.</summary>
    Svd,

    /// <summary>A = Σ ±√|w·s|·A and B = Σ √|w·s|·B. Cheap, but B·A also contains the cross terms of one adapter's B with another's
    /// A.</summary>
    Linear,

    /// <summary>Exactly Σ w·s·B·A: factors concatenated, so that the ranks add up.</summary>
    Cat,

    /// <summary>Linear on pruned factors, with the mean only of the elements whose sign is the elected one (Yadav et al. 2023,
    /// TIES).</summary>
    Ties,

    /// <summary>TIES on the updates B·A, then the best approximation of the requested rank.</summary>
    TiesSvd,

    /// <summary>Linear on factors with random elements dropped and the others divided by the density (Yu et al. 2023, DARE).</summary>
    DareLinear,

    /// <summary>TIES with random dropping instead of pruning by magnitude.</summary>
    DareTies,

    /// <summary>DARE on the updates B·A, then the best approximation of the requested rank.</summary>
    DareLinearSvd,

    /// <summary>TIES with random dropping on the updates B·A, then the best approximation of the requested rank.</summary>
    DareTiesSvd,

    /// <summary>Linear on factors pruned by magnitude.</summary>
    MagnitudePrune,

    /// <summary>The sum of updates B·A pruned by magnitude, then the best approximation of the requested rank.</summary>
    MagnitudePruneSvd,
}

/// <summary>How TIES elects the sign of an element.</summary>
public enum MajoritySign
{
    /// <summary>The sign of the sum over the adapters.</summary>
    Total,

    /// <summary>The sign that most adapters have.</summary>
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

    /// <summary>Parses a combination's name in Hugging Face PEFT, such as "ties_svd".</summary>
    /// <exception cref="BadInputException">The name is unknown.</exception>
    public static CombinationType Parse(string name) => ByName.TryGetValue(name, out var type)
        ? type
        : throw new BadInputException($"there is no combination \"{name}\"; there are {string.Join(", ", ByName.Keys)}");

    extension(CombinationType type)
    {
        /// <summary>Whether the combination acts on the updates B·A, not on the factors, and ends with a truncated SVD.</summary>
        public bool EndsWithSvd => type is CombinationType.Svd or CombinationType.TiesSvd or CombinationType.DareLinearSvd
            or CombinationType.DareTiesSvd
            or CombinationType.MagnitudePruneSvd;

        /// <summary>Whether the combination prunes elements, which needs a density.</summary>
        public bool Prunes => type is not (CombinationType.Svd or CombinationType.Linear or CombinationType.Cat);
    }
}

using PeftCore.Io;
using PeftCore.Nn;

namespace PeftCore.Models;

/// <summary>Mixtral (Jiang et al. 2024, "Mixtral of Experts"): Mistral with a mixture of experts in every block. In files its name is
/// block_sparse_moe and each expert has linear layers w1 (gate), w3 (up) and w2 (down); so has what is saved.</summary>
internal static class Mixtral
{
    /// <summary>Reads a config.json.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="warnings">Receives a warning for each contradiction that is resolved.</param>
    /// <exception cref="BadInputException">A field is missing or wrong, or fields contradict each other.</exception>
    public static DecoderSpec Read(ConfigReader config, ICollection<string>? warnings = null)
    {
        var family = new FamilyFields { MaxLength = 131072, KeyHeads = 8, Epsilon = 1e-5, Theta = 1e6, Own = MixtureFields.Own };
        var spec = DecoderFields.Read(config, family, warnings);
        var (count, perToken) = MixtureFields.Counts(config, 8, 2, "num_local_experts", "num_experts");
        return (spec with { Windows = WindowSettings.Mistral(config, spec.Layers, fallback: null) }).WithExperts(config, new ExpertSpec
        {
            Count = count,
            BalanceFactor = MixtureFields.BalanceFactor(config, usual: 0.001),
            IntermediateSize = spec.IntermediateSize,
            Router = new RouterSpec(RouterKind.TopKSoftmax, perToken),
            FileNames = new ExpertNames("block_sparse_moe", "w1", "w3", "w2"),
        }, _ => true);
    }
}

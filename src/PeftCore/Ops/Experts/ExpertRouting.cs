using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>The experts of each token, and the token-expert pairs sorted by expert. Pair q = token·k + j is the j-th expert of a token. The
/// number of pairs does not depend on the choice, so that memory can be planned, and counts never reach the host.</summary>
/// <param name="Count">Experts.</param>
/// <param name="Chosen">I32 (tokens, k), the experts of each token.</param>
/// <param name="Order">I32 (pairs), the pair of each sorted row.</param>
/// <param name="Position">I32 (pairs), the sorted row of each pair.</param>
/// <param name="Experts">I32 (pairs), the expert of each sorted row.</param>
/// <param name="Offsets">I32 (experts + 1), the first row of each expert, and the number of pairs.</param>
internal sealed record ExpertRouting(int Count, Tensor Chosen, Tensor Order, Tensor Position, Tensor Experts, Tensor Offsets)
{
    /// <summary>Tokens.</summary>
    public int Tokens => Chosen.Shape[0];

    /// <summary>k, experts of a token.</summary>
    public int PerToken => Chosen.Shape[1];

    /// <summary>Token-expert pairs.</summary>
    public int Pairs => (int)Chosen.Count;

    /// <summary>Chooses the experts of the largest scores. The choice is a constant for the gradient. Of equal scores the first expert is
    /// chosen; torch.topk promises no order.</summary>
    /// <param name="scores">(tokens, experts)</param>
    /// <param name="k">Experts of a token.</param>
    /// <param name="bias">(experts), added for the choice only (Wang et al. 2024, "Auxiliary-Loss-Free Load Balancing"); or null.</param>
    /// <param name="groups">Groups of experts.</param>
    public static ExpertRouting TopK(Tensor scores, int k, Tensor? bias, ExpertGroups groups)
    {
        Check.Float32("choose experts", "scores", scores);
        int experts = scores.Shape.Columns;
        if (k < 1 || k > experts || groups.Count < 1 || experts % groups.Count != 0 || groups.Kept < 1 || groups.Kept > groups.Count)
        {
            throw new ShapeException("choose experts", $"{k} experts of {groups.Kept} of {groups.Count} groups do not fit {scores.Shape}");
        }
        Check.Vector("choose experts", "the bias", bias, experts);
        var chosen = scores.NewLike([scores.Shape.Rows, k], DType.I32);
        scores.Backend.TopK(scores, bias, groups, chosen);
        return Of(chosen, experts);
    }

    /// <summary>Sorts the pairs of a given choice.</summary>
    /// <param name="chosen">I32 (tokens, k); the experts of a token differ.</param>
    /// <param name="experts">Experts.</param>
    public static ExpertRouting Of(Tensor chosen, int experts)
    {
        Check.Int32("sort by expert", "the choice", chosen);
        Shape pairs = [checked((int)chosen.Count)];
        Tensor order = chosen.NewLike(pairs, DType.I32), position = chosen.NewLike(pairs, DType.I32),
            sorted = chosen.NewLike(pairs, DType.I32), offsets = chosen.NewLike([experts + 1], DType.I32);
        chosen.Backend.SortByExpert(chosen, order, position, sorted, offsets);
        return new ExpertRouting(experts, chosen, order, position, sorted, offsets);
    }
}

using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>How routing weights come from the router's logits.</summary>
internal enum RouterKind
{
    /// <summary>Softmax over the logits of the chosen experts (Mixtral; Jiang et al. 2024). Softmax over all experts, of which the chosen
    /// ones are normalised, is the same.</summary>
    TopKSoftmax,

    /// <summary>Softmax over all experts; the weights of the chosen ones do not sum to 1.</summary>
    SoftmaxTopK,

    /// <summary>σ of each logit (DeepSeek-V3). A bias is added for the choice only.</summary>
    Sigmoid,
}

/// <summary>Settings of a router.</summary>
/// <param name="Kind">How weights come from logits.</param>
/// <param name="PerToken">k, experts of a token.</param>
/// <param name="Normalize">Whether sigmoid weights are divided by their sum.</param>
/// <param name="Scale">Factor of the weights.</param>
/// <param name="Groups">Groups of experts, of which a token chooses some.</param>
/// <param name="HasBias">Whether the logits have a bias.</param>
internal sealed record RouterSpec(RouterKind Kind, int PerToken, bool Normalize = true, float Scale = 1, ExpertGroups Groups = default,
    bool HasBias = false);

/// <summary>Chooses the experts of each token, and their weights (Shazeer et al. 2017, "Outrageously Large Neural Networks"). The weights
/// have a gradient, the choice has none.</summary>
internal sealed class Router : Layer
{
    private const string CorrectionName = "e_score_correction_bias";

    private readonly RouterSpec _spec;

    /// <summary>Declares the router.</summary>
    public Router(int inputs, int experts, RouterSpec spec)
    {
        _spec = spec;
        Add("weight", new Parameter([experts, inputs]));
        if (spec.HasBias)
        {
            Add("bias", new Parameter([experts]));
        }
        if (spec.Kind == RouterKind.Sigmoid)
        {
            Add(CorrectionName, new Parameter([experts]) { IsBuffer = true });
        }
    }

    /// <summary>The experts of each row of x, and their weights.</summary>
    /// <param name="x">(tokens, C)</param>
    /// <returns>F32 (tokens, k), and the routing.</returns>
    public (Tensor Weights, ExpertRouting Routing) Route(Tensor x)
    {
        var logits = Forward(x);
        if (_spec.Kind == RouterKind.Sigmoid)
        {
            return Sigmoids(logits.Activate<Sigmoid>());
        }
        var routing = ExpertRouting.TopK(logits, _spec.PerToken, null, ExpertGroups.All);
        RouterBalance.Report(logits, routing);
        return (_spec.Kind == RouterKind.TopKSoftmax ? logits.TakeColumns(routing.Chosen).Softmax()
            : logits.Softmax().TakeColumns(routing.Chosen), routing);
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) =>
        x.Linear(OwnParameter("weight")!.Value, OwnParameter("bias")?.Value).Cast(DType.F32);

    private (Tensor Weights, ExpertRouting Routing) Sigmoids(Tensor scores)
    {
        var routing = ExpertRouting.TopK(scores, _spec.PerToken, OwnParameter(CorrectionName)!.Value.Cast(DType.F32), _spec.Groups);
        var weights = scores.TakeColumns(routing.Chosen);
        if (_spec.Normalize)
        {
            weights = weights.MultiplyColumn(weights.Sum(^1).Activate<Reciprocal>());
        }
        return (_spec.Scale == 1 ? weights : weights * _spec.Scale, routing);
    }
}

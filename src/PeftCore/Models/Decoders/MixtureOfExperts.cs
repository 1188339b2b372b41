using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A mixture of experts in place of an MLP (Shazeer et al. 2017): each token passes the k experts that its router chooses, and the
/// MLP that all tokens share, if there is one. Rows are sorted by expert, so that one product runs all experts.</summary>
internal sealed class MixtureOfExperts : Layer
{
    private readonly Router _router;
    private readonly Experts _experts;
    private readonly GatedMlp? _shared;

    /// <summary>Declares the layer.</summary>
    public MixtureOfExperts(DecoderSpec spec)
    {
        var experts = spec.Experts!;
        _router = Add(experts.RouterName, new Router(spec.HiddenSize, experts.Count, experts.Router));
        _experts = Add("experts", new Experts(spec, experts));
        _shared = experts.SharedSize > 0 ? Add("shared_experts", new GatedMlp(spec, experts.SharedSize)) : null;
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) // (B, T, C)
    {
        var tokens = x.Reshape([x.Shape.Rows, x.Shape.Columns]);
        var (weights, routing) = _router.Route(tokens);
        var y = _experts.Forward(tokens, weights, routing).Reshape(x.Shape);
        return _shared is null ? y : y + _shared.Forward(x);
    }
}

/// <summary>The experts: y = Σ w·down(f(gate(x), up(x))) over a token's experts, with gate and up in one matrix.</summary>
internal sealed class Experts : Module
{
    private readonly Func<Tensor, Tensor, ExpertRouting, Tensor> _glu;
    private readonly ExpertLinear _gateUp;
    private readonly ExpertLinear _down;

    /// <summary>Declares the experts.</summary>
    public Experts(DecoderSpec spec, ExpertSpec experts)
    {
        _glu = experts.IsGptOss ? (x, weights, routing) => x.RoutedGlu<ClampedSwiglu>(weights, routing) : GluOf(spec.Activation);
        int inner = experts.IntermediateSize;
        _gateUp = Add("gate_up_proj", new ExpertLinear(experts.Count, spec.HiddenSize, 2 * inner, experts.IsGptOss));
        _down = Add("down_proj", new ExpertLinear(experts.Count, inner, spec.HiddenSize, experts.IsGptOss));
        if (experts.IsGptOss)
        {
            Add("gate_up_proj_bias", new Parameter([experts.Count, 2 * inner]));
            Add("down_proj_bias", new Parameter([experts.Count, spec.HiddenSize]));
        }
    }

    /// <summary>The activations that experts can have.</summary>
    public static IReadOnlyList<string> Activations { get; } = ["silu", "swish", "gelu"];

    /// <summary>The weighted sum of each token's experts.</summary>
    /// <param name="x">(tokens, C)</param>
    /// <param name="weights">F32 (tokens, k)</param>
    /// <param name="routing">The experts of each token.</param>
    /// <returns>(tokens, C)</returns>
    public Tensor Forward(Tensor x, Tensor weights, ExpertRouting routing)
    {
        using var scope = new TensorScope(Name);
        var gateUp = _gateUp.Forward(x.Dispatch(routing), routing, OwnParameter("gate_up_proj_bias")?.Value); // (pairs, 2·inner)
        var h = _glu(gateUp, weights, routing); // (pairs, inner), times the routing weight
        var y = _down.Forward(h, routing, null).Combine(routing);
        if (OwnParameter("down_proj_bias")?.Value is { } bias)
        {
            // Σ w·b over a token's experts: the dense (tokens, experts) matrix of the weights times b.
            y += weights.PutColumns(routing.Chosen, routing.Count).Linear(bias, null, transposed: true).AsActivation();
        }
        return scope.Return(y);
    }

    private static Func<Tensor, Tensor, ExpertRouting, Tensor> GluOf(string activation) => activation switch
    {
        "silu" or "swish" => (x, weights, routing) => x.RoutedGlu<Glu<Silu>>(weights, routing),
        "gelu" => (x, weights, routing) => x.RoutedGlu<Glu<Gelu>>(weights, routing),
        _ => throw new BadInputException(
            $"hidden_act is \"{activation}\", which experts cannot have; they can have {string.Join(", ", Activations)}"),
    };
}

using PeftCore.Backends;
using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>Stochastic gradient descent in torch's arithmetic: g ← g + λ·p; b ← μ·b + g; p ← p − lr·b, or lr·(g + μ·b) with Nesterov's
/// momentum. Without momentum it has no state.</summary>
internal sealed class Sgd : Optimizer
{
    private readonly SgdOptions _options;

    /// <summary>Allocates one buffer per parameter if there is momentum.</summary>
    /// <param name="parameters">The trained parameters, by name.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    public Sgd(IReadOnlyList<(string Name, Parameter Parameter)> parameters, SgdOptions? options = null)
        : base(parameters, Hyperparameters.Checked(Checked(options).WeightDecay), options?.Decays,
            LikeParameter(options is { Momentum: > 0 } ? ["momentum_buffer"] : [])) =>
        _options = options ?? new();

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale)
    {
        foreach (var state in states)
        {
            var gradient = state.Parameter.Gradient!;
            gradient.Backend.Sgd(state.Parameter.Value, gradient, gradientScale, state.Moments.Count == 0 ? null : state.Moments[0].Value,
                learningRate, _options.Momentum, state.WeightDecay, _options.Nesterov, state.Steps == 1);
        }
    }

    private static SgdOptions Checked(SgdOptions? options) => options is { Nesterov: true, Momentum: 0 }
        ? throw new BadInputException("Nesterov's method needs a momentum above 0; give one, or leave Nesterov out")
        : options ?? new();
}

/// <summary>Settings of <see cref="Sgd"/>.</summary>
/// <param name="Momentum">μ, the momentum; 0 for none.</param>
/// <param name="Nesterov">Whether to use Nesterov's momentum.</param>
/// <param name="WeightDecay">λ, the weight decay.</param>
/// <param name="Decays">Selects the parameters that decay; null for all.</param>
internal sealed class SgdOptions(float Momentum = 0, bool Nesterov = false, float WeightDecay = 0,
    Func<string, Parameter, bool>? Decays = null)
{
    internal float Momentum { get; } = Momentum;

    internal bool Nesterov { get; } = Nesterov;

    internal float WeightDecay { get; } = WeightDecay;

    internal Func<string, Parameter, bool>? Decays { get; } = Decays;
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>Lion, evolved sign momentum (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", arXiv 2302.06675):
/// p ← p − lr·λ·p − lr·sign(β₁m + (1 − β₁)g); m ← β₂m + (1 − β₂)g. Every element moves by lr in each step, so the learning rate should be a
/// third to a tenth of AdamW's.</summary>
internal sealed class Lion : Optimizer
{
    private readonly float _beta1, _beta2;

    /// <summary>Allocates one moment per parameter.</summary>
    /// <param name="parameters">The trained parameters, by name.</param>
    /// <param name="beta1">β₁ in [0, 1), the part of the moment in the sign.</param>
    /// <param name="beta2">β₂ in [0, 1), the decay of the moment; 0.99 in the paper.</param>
    /// <param name="weightDecay">λ, the weight decay.</param>
    /// <param name="decays">Selects the parameters that decay; null for all.</param>
    /// <param name="isPaged">Whether the moments are in host memory and each step fetches them.</param>
    public Lion(IReadOnlyList<(string Name, Parameter Parameter)> parameters, float beta1 = 0.9f, float beta2 = 0.999f,
        float weightDecay = 0, Func<string, Parameter, bool>? decays = null, bool isPaged = false)
        : base(parameters, Hyperparameters.Checked(weightDecay, beta1, beta2), decays, LikeParameter("exp_avg"), isPaged) =>
        (_beta1, _beta2) = (beta1, beta2);

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale)
    {
        var tensors = new LionTensors[states.Count];
        for (int i = 0; i < tensors.Length; i++)
        {
            var state = states[i];
            tensors[i] = new LionTensors(new Optimizers.Lion(learningRate, _beta1, _beta2, state.WeightDecay), state.Parameter.Value,
                state.Parameter.Gradient!, state.Moments[0].Value);
        }
        tensors[0].Parameter.Backend.Lion(tensors, gradientScale);
    }
}

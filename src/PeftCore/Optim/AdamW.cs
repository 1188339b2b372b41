using System.Buffers;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter 2019), in torch's arithmetic: p ← p − lr·λ·p; m ← β₁m + (1 − β₁)g; v ←
/// β₂v + (1 − β₂)g²; p ← p − lr·m̂/(√v̂ + ε).</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var parameter = new Parameter([1]);
/// parameter.Set(backend.Zeros([1]));
/// parameter.RequiresGrad = true;
/// using var optimizer = new AdamW([("w", parameter)], weightDecay: 0);
/// for (int step = 0; step &lt; 100; step++)
/// {
///     using var scope = new TensorScope();
///     using var tape = new Tape();
///     var error = parameter.Value - 3;
///     tape.Backward((error * error).Sum());
///     optimizer.Step(learningRate: 0.1);
///     optimizer.FreeGradients();
/// }
/// Console.WriteLine($"{parameter.Value.Item():0.0}"); // 3.0
/// </code>
/// </example>
public sealed class AdamW : Optimizer
{
    private readonly float _beta1, _beta2, _epsilon;

    /// <summary>Allocates two moments per parameter. The defaults are those of Hugging Face's Trainer.</summary>
    /// <param name="parameters">The trained parameters, by name.</param>
    /// <param name="beta1">β₁ in [0, 1), the decay of the first moment.</param>
    /// <param name="beta2">β₂ in [0, 1), the decay of the second moment.</param>
    /// <param name="epsilon">ε above 0, added to the root of the second moment.</param>
    /// <param name="weightDecay">λ, the weight decay, of at least 0.</param>
    /// <param name="decays">Selects the parameters that decay; null for all.</param>
    /// <exception cref="BadInputException">A number is out of its range, or there is no parameter.</exception>
    public AdamW(IReadOnlyList<(string Name, Parameter Parameter)> parameters, float beta1 = 0.9f, float beta2 = 0.999f,
        float epsilon = 1e-8f, float weightDecay = 0, Func<string, Parameter, bool>? decays = null)
        : this(parameters, beta1, beta2, epsilon, weightDecay, decays, isPaged: false) { }

    /// <param name="parameters">The trained parameters, by name.</param>
    /// <param name="beta1">β₁ in [0, 1), the decay of the first moment.</param>
    /// <param name="beta2">β₂ in [0, 1), the decay of the second moment.</param>
    /// <param name="epsilon">ε above 0, added to the root of the second moment.</param>
    /// <param name="weightDecay">λ, the weight decay, of at least 0.</param>
    /// <param name="decays">Selects the parameters that decay; null for all.</param>
    /// <param name="isPaged">Whether the moments are in host memory and each step fetches them.</param>
    /// <param name="rateFactors">Factor of each parameter's learning rate; null for 1.</param>
    internal AdamW(IReadOnlyList<(string Name, Parameter Parameter)> parameters, float beta1, float beta2, float epsilon,
        float weightDecay, Func<string, Parameter, bool>? decays, bool isPaged, Func<string, Parameter, double>? rateFactors = null)
        : base(parameters, Hyperparameters.Checked(weightDecay, beta1, beta2, epsilon), decays, LikeParameter("exp_avg", "exp_avg_sq"),
            isPaged, rateFactors) =>
        (_beta1, _beta2, _epsilon) = (beta1, beta2, epsilon);

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale)
    {
        var tensors = ArrayPool<AdamWTensors>.Shared.Rent(states.Count);
        for (int i = 0; i < states.Count; i++)
        {
            var state = states[i];
            float rate = (float)(learningRate * state.RateFactor);
            var step = new Optimizers.AdamW(rate, _beta1, _beta2, _epsilon, state.WeightDecay, state.Steps);
            tensors[i] = new AdamWTensors(step, state.Parameter.Value, state.Parameter.Gradient!, state.Moments[0].Value,
                state.Moments[1].Value);
        }
        tensors[0].Parameter.Backend.AdamW(tensors.AsSpan(0, states.Count), gradientScale);
        ArrayPool<AdamWTensors>.Shared.Return(tensors, clearArray: true);
    }
}

using System.Buffers;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter 2019), in torch's arithmetic: p ← p − lr·λ·p; m ← β₁m + (1 − β₁)g; v ←
/// β₂v + (1 − β₂)g²; p ← p − lr·m̂/(√v̂ + ε).</summary>
public sealed class AdamW : Optimizer
{
    private readonly AdamWOptions _options;

    /// <summary>Allocates two moments per parameter.</summary>
    /// <param name="parameters">The trained parameters, by name.</param>
    /// <param name="options">Settings; null for the defaults.</param>
    public AdamW(IReadOnlyList<(string Name, Parameter Parameter)> parameters, AdamWOptions? options = null)
        : base(parameters, (options ?? new()).WeightDecay, options?.Decays, "exp_avg", "exp_avg_sq") => _options = options ?? new();

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale)
    {
        var tensors = ArrayPool<AdamWTensors>.Shared.Rent(states.Count);
        for (int i = 0; i < states.Count; i++)
        {
            var state = states[i];
            var step = new Optimizers.AdamW(learningRate, _options.Beta1, _options.Beta2, _options.Epsilon, state.WeightDecay, state.Steps);
            tensors[i] = new AdamWTensors(step, state.Parameter.Value, state.Parameter.Gradient!, state.Moments[0].Value,
                state.Moments[1].Value);
        }
        tensors[0].Parameter.Backend.AdamW(tensors.AsSpan(0, states.Count), gradientScale);
        ArrayPool<AdamWTensors>.Shared.Return(tensors, clearArray: true);
    }
}

/// <summary>Settings of <see cref="AdamW"/>; the defaults are those of Hugging Face's Trainer.</summary>
/// <param name="Beta1">β₁, the decay of the first moment.</param>
/// <param name="Beta2">β₂, the decay of the second moment.</param>
/// <param name="Epsilon">ε, added to the root of the second moment.</param>
/// <param name="WeightDecay">λ, the weight decay.</param>
/// <param name="Decays">Selects the parameters that decay; null for all.</param>
public sealed class AdamWOptions(float Beta1 = 0.9f, float Beta2 = 0.999f, float Epsilon = 1e-8f, float WeightDecay = 0,
    Func<string, Parameter, bool>? Decays = null)
{
    internal float Beta1 { get; } = Beta1;

    internal float Beta2 { get; } = Beta2;

    internal float Epsilon { get; } = Epsilon;

    internal float WeightDecay { get; } = WeightDecay;

    internal Func<string, Parameter, bool>? Decays { get; } = Decays;
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>Adafactor (Shazeer and Stern 2018, arXiv 1804.04235) as Hugging Face's Trainer configures it: a given learning rate,
/// ε₁ = 1e-30, clip_threshold 1, decay_rate −0.8, no first moment, and neither scale_parameter nor relative_step nor warmup_init. A
/// parameter (…, rows, columns) keeps rows + columns numbers for each matrix, any other one number an element. See
/// <see cref="AdafactorFactors"/> for the equations.</summary>
internal sealed class Adafactor : Optimizer
{
    /// <summary>Allocates the moments.</summary>
    /// <param name="parameters">The trained parameters, by name.</param>
    /// <param name="weightDecay">λ, the weight decay.</param>
    /// <param name="decays">Selects the parameters that decay; null for all.</param>
    public Adafactor(IReadOnlyList<(string Name, Parameter Parameter)> parameters, float weightDecay = 0,
        Func<string, Parameter, bool>? decays = null)
        : base(parameters, Hyperparameters.Checked(weightDecay), decays, NewState) { }

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale)
    {
        var tensors = new AdafactorTensors[states.Count];
        for (int i = 0; i < tensors.Length; i++)
        {
            var state = states[i];
            tensors[i] = new AdafactorTensors(new Optimizers.Adafactor(learningRate, state.WeightDecay, state.Steps),
                state.Parameter.Value, state.Parameter.Gradient!, state.Moments[0].Value,
                state.Moments.Count == 1 ? null : state.Moments[1].Value);
        }
        tensors[0].Parameter.Backend.Adafactor(tensors, gradientScale);
    }

    private protected override void Permute(ParameterState state, ReadOnlySpan<int> before)
    {
        if (state.Moments.Count > 1)
        {
            throw new BadInputException($"Adafactor keeps no number for each element of \"{state.Name}\", whose elements were replaced; " +
                "train with --optim adamw, adamw_8bit, lion or sgd");
        }
        base.Permute(state, before);
    }

    private static StateTensors NewState(Parameter parameter, StateMemory memory)
    {
        var shape = parameter.Shape;
        if (shape.Rank < 2)
        {
            return new([memory.New("exp_avg_sq", parameter, shape)], []);
        }
        int[] extents = [.. shape];
        return new([memory.New("exp_avg_sq_row", parameter, [.. extents[..^1]]),
            memory.New("exp_avg_sq_col", parameter, [.. extents[..^2], extents[^1]])], []);
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>Changes parameters against their gradients. All memory it needs is taken when it is made, so that the first step cannot run out
/// of what a plan promised.</summary>
public abstract class Optimizer : IDisposable
{
    private readonly ParameterState[] _states;
    private readonly List<ParameterState> _changing = [];

    /// <summary>Takes memory for the state of every parameter.</summary>
    /// <param name="parameters">What trains, with names that differ.</param>
    /// <param name="weightDecay">Strength of the decay.</param>
    /// <param name="decays">Which parameters decay; null for all, as torch does. See <see cref="WeightDecayFilter"/>.</param>
    /// <param name="moments">Names of the running averages kept for each parameter.</param>
    protected Optimizer(IReadOnlyList<(string Name, Parameter Parameter)> parameters, float weightDecay,
        Func<string, Parameter, bool>? decays, params ReadOnlySpan<string> moments)
    {
        if (parameters.Count == 0)
        {
            throw new BadInputException("there is no parameter to train: attach an adapter, or let part of the model train");
        }
        var names = new HashSet<string>(StringComparer.Ordinal);
        _states = new ParameterState[parameters.Count];
        for (int i = 0; i < _states.Length; i++)
        {
            var (name, parameter) = parameters[i];
            if (!names.Add(name))
            {
                throw new ArgumentException($"two parameters are named \"{name}\"", nameof(parameters));
            }
            float decay = decays is null || decays(name, parameter) ? weightDecay : 0;
            _states[i] = new ParameterState(name, parameter, decay, NewMoments(parameter, moments));
        }
    }

    /// <summary>What is remembered, one a parameter, in the order the parameters were given.</summary>
    public IReadOnlyList<ParameterState> States => _states;

    /// <summary>Changes every parameter that has a gradient, all in one pass.</summary>
    /// <param name="learningRate">Size of the step.</param>
    /// <param name="gradientScale">What gradients are multiplied by first: clipping costs no pass of its own.</param>
    public void Step(double learningRate, float gradientScale = 1)
    {
        _changing.Clear();
        foreach (var state in _states)
        {
            if (state.Parameter.Gradient is not null)
            {
                state.Steps++;
                _changing.Add(state);
            }
        }
        if (_changing.Count > 0)
        {
            Update(_changing, (float)learningRate, gradientScale);
        }
    }

    /// <summary>Moves what is remembered along with the elements of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="before">For each element the place it had before; −1 for a new one, of which nothing is remembered.</param>
    internal void PermuteState(Parameter parameter, ReadOnlySpan<int> before)
    {
        foreach (var (_, moment) in _states.Where(state => state.Parameter == parameter).SelectMany(state => state.Moments))
        {
            float[] old = moment.ToArray<float>(), moved = new float[old.Length];
            for (int i = 0; i < moved.Length; i++)
            {
                moved[i] = before[i] < 0 ? 0 : old[before[i]];
            }
            moment.Backend.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(moved), moment);
        }
    }

    /// <summary>Frees all gradients; the next backward pass starts from nothing.</summary>
    public void FreeGradients()
    {
        foreach (var state in _states)
        {
            state.Parameter.Value.FreeGradient();
        }
    }

    /// <summary>Frees the state.</summary>
    public void Dispose()
    {
        foreach (var (_, moment) in _states.SelectMany(state => state.Moments))
        {
            moment.Dispose();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>Changes parameters, each of which has a gradient; their <see cref="ParameterState.Steps"/> count this step
    /// already.</summary>
    protected abstract void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale);

    private static (string, Tensor)[] NewMoments(Parameter parameter, ReadOnlySpan<string> names)
    {
        var moments = new (string, Tensor)[names.Length];
        for (int i = 0; i < names.Length; i++)
        {
            moments[i] = (names[i], parameter.Value.Backend.Zeros(parameter.Shape, kind: MemoryKind.Optimizer).Keep());
        }
        return moments;
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>Updates parameters by their gradients. The constructor allocates all of its memory, so that the first step cannot exceed the
/// memory plan.</summary>
public abstract class Optimizer : IDisposable
{
    private readonly ParameterState[] _states;
    private readonly List<ParameterState> _changing = [];
    private readonly bool _isPaged;

    /// <summary>Allocates the state of every parameter.</summary>
    /// <param name="parameters">The trained parameters, under unique names.</param>
    /// <param name="weightDecay">Weight decay λ.</param>
    /// <param name="decays">Selects the parameters that decay; null for all, as in torch. See <see cref="WeightDecayFilter"/>.</param>
    /// <param name="newState">Allocates the state of a parameter.</param>
    /// <param name="isPaged">Whether the state is in host memory and each step fetches it.</param>
    /// <param name="rateFactors">Factor of each parameter's learning rate; null for 1.</param>
    private protected Optimizer(IReadOnlyList<(string Name, Parameter Parameter)> parameters, float weightDecay,
        Func<string, Parameter, bool>? decays, Func<Parameter, StateMemory, StateTensors> newState, bool isPaged = false,
        Func<string, Parameter, double>? rateFactors = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (parameters.Count == 0)
        {
            throw new BadInputException("there is no parameter to train: attach an adapter, or let part of the model train");
        }
        _isPaged = isPaged;
        var memory = new StateMemory(isPaged);
        var names = new HashSet<string>(StringComparer.Ordinal);
        _states = new ParameterState[parameters.Count];
        for (int i = 0; i < _states.Length; i++)
        {
            var (name, parameter) = parameters[i];
            ArgumentNullException.ThrowIfNull(name, nameof(parameters));
            ArgumentNullException.ThrowIfNull(parameter, nameof(parameters));
            if (!names.Add(name))
            {
                throw new ArgumentException($"two parameters are named \"{name}\"", nameof(parameters));
            }
            float decay = decays is null || decays(name, parameter) ? weightDecay : 0;
            _states[i] = new ParameterState(name, parameter, decay, rateFactors?.Invoke(name, parameter) ?? 1, newState(parameter, memory));
        }
    }

    /// <summary>The state of each parameter, in the order of the parameters.</summary>
    internal IReadOnlyList<ParameterState> States => _states;

    /// <summary>Bytes of moments that a paged optimizer fetches at once.</summary>
    internal long GroupBytes { get; init; } = PagedUpdate.GroupBytes;

    /// <summary>Updates every parameter that has a gradient, all in one call of the backend; paged, in one call a group.</summary>
    /// <param name="learningRate">The learning rate.</param>
    /// <param name="gradientScale">A factor that multiplies the gradients in the same pass, for clipping.</param>
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
        if (_changing.Count > 0 && _isPaged)
        {
            UpdatePaged((float)learningRate, gradientScale);
        }
        else if (_changing.Count > 0)
        {
            Update(_changing, (float)learningRate, gradientScale);
        }
    }

    /// <summary>Permutes the moments as the elements of a parameter were permuted.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="before">For each element its former index; −1 for a new one, whose moments become zero.</param>
    internal void PermuteState(Parameter parameter, ReadOnlySpan<int> before)
    {
        foreach (var state in _states)
        {
            if (state.Parameter == parameter)
            {
                Permute(state, before);
            }
        }
    }

    /// <summary>Frees all gradients; the next backward pass starts from zero.</summary>
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
        foreach (var moment in _states.SelectMany(state => state.Moments))
        {
            moment.Dispose();
        }
        foreach (var table in _states.SelectMany(state => state.Tables).Select(one => one.Value).Distinct())
        {
            table.Dispose();
        }
        DisposeConstants();
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees tensors that belong to no parameter's state.</summary>
    private protected virtual void DisposeConstants() { }

    /// <summary>Updates parameters, each of which has a gradient. <see cref="ParameterState.Steps"/> includes this step.</summary>
    private protected abstract void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale);

    // A method of its own, so that the closure is allocated by paged optimizers alone.
    private void UpdatePaged(float learningRate, float gradientScale) =>
        PagedUpdate.Run(_changing, GroupBytes, group => Update(group, learningRate, gradientScale));

    /// <summary>Permutes the state of one parameter. This method takes moments with an element for each of the parameter's.</summary>
    private protected virtual void Permute(ParameterState state, ReadOnlySpan<int> before)
    {
        foreach (var moment in state.Moments)
        {
            using var resident = moment.Resident();
            moment.Value.Upload<float>(Permuted(moment.Value.ToArray<float>(), before));
        }
    }

    /// <summary>Numbers in the order of <see cref="PermuteState"/>.</summary>
    private protected static float[] Permuted(float[] old, ReadOnlySpan<int> before)
    {
        float[] moved = new float[old.Length];
        for (int i = 0; i < moved.Length; i++)
        {
            moved[i] = before[i] < 0 ? 0 : old[before[i]];
        }
        return moved;
    }

    /// <summary>F32 moments of the parameter's shape.</summary>
    private protected static Func<Parameter, StateMemory, StateTensors> LikeParameter(params string[] names) => (parameter, memory) =>
        new StateTensors([.. names.Select(name => memory.New(name, parameter, parameter.Shape))], []);
}

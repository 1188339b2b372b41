using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;

namespace PeftCore.Training;

/// <summary>The active adapter of a model, kept in Hugging Face PEFT's files.</summary>
public sealed class TrainableAdapter : ITrainable
{
    private readonly PeftModel _model;
    private readonly string _name;
    private readonly bool _replays;
    private (IReadOnlyList<string>? Applied, bool Checkpointing, string? Value) _key;

    /// <summary>Takes the adapter that is active.</summary>
    /// <exception cref="BadInputException">None is active, or several are.</exception>
    public TrainableAdapter(PeftModel model)
    {
        _model = model;
        _name = model.ActiveAdapters.Count == 1
            ? model.ActiveAdapters[0]
            : throw new BadInputException(
            $"one adapter trains at a time, but {model.ActiveAdapters.Count} are active; activate the one to train");
        var config = model.ConfigOf(_name);
        _replays = config.SupportsGraphCapture;
        Parameters = [.. model.Parameters.Where(p => p.Parameter.RequiresGrad)];
    }

    /// <inheritdoc/>
    public CausalModel Model => _model.Base;

    /// <inheritdoc/>
    public IReadOnlyList<(string Name, Parameter Parameter)> Parameters { get; }

    /// <inheritdoc/>
    public void BeforeStep(long step, int batches) => _model.BeforeStep(step, batches);

    /// <inheritdoc/>
    public IReadOnlyList<(Parameter Parameter, int[] Before)> TakePermutations() => _model.TakePermutations();

    /// <inheritdoc/>
    public void AfterStep(long step) => _model.AfterStep(step);

    /// <inheritdoc/>
    public string? ReplayKey
    {
        get
        {
            if (!_replays || _model.RowAdapters is not null || _model.Observer is not null)
            {
                return null;
            }
            if (_key.Value is null || _key.Applied != _model.AppliedAdapters || _key.Checkpointing != _model.Base.GradientCheckpointing)
            {
                _key = (_model.AppliedAdapters, _model.Base.GradientCheckpointing,
                    $"{string.Join(',', _model.AppliedAdapters)},{_model.Base.GradientCheckpointing}");
            }
            return _key.Value;
        }
    }

    /// <inheritdoc/>
    public void Save(string directory) => _model.SaveState(directory, _name);

    /// <inheritdoc/>
    public void Load(string directory) => _model.LoadState(directory, _name);
}

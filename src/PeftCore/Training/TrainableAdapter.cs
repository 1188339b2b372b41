using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Makes the active adapter of a model trainable by a <see cref="Trainer"/>; it is saved in Hugging Face PEFT's files.</summary>
internal sealed class TrainableAdapter : ITrainable
{
    private readonly PeftModel _model;
    private readonly string _name;
    private IReadOnlyList<(string Name, Parameter Parameter)> _parameters;
    private readonly bool _supportsCapture;
    private (Adapter[]? Applied, bool Checkpointing, string? Value) _captureKey;

    /// <summary>Trains the active adapter.</summary>
    /// <exception cref="BadInputException">No adapter is active, or several are.</exception>
    public TrainableAdapter(PeftModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _name = model.ActiveAdapters.Count == 1
            ? model.ActiveAdapters[0]
            : throw new BadInputException(
            $"one adapter trains at a time, but {model.ActiveAdapters.Count} are active; activate the one to train");
        var config = model.ConfigOf(_name);
        _supportsCapture = config.SupportsGraphCapture;
        _parameters = Trained();
    }

    /// <inheritdoc/>
    TransformerModel ITrainable.Model => _model.Base;

    /// <inheritdoc/>
    IReadOnlyList<(string Name, Parameter Parameter)> ITrainable.Parameters => _parameters;

    /// <inheritdoc/>
    IEnumerable<(string Name, Parameter Parameter)> ITrainable.Frozen => _model.Parameters.Where(p => !p.Parameter.RequiresGrad);

    /// <inheritdoc/>
    IEnumerable<(string Module, string Name, Parameter Original)> ITrainable.Replaced =>
        Swaps.Where(swap => swap.IsTrainable).Select(swap => (swap.Parameter.Path, swap.Name, swap.Original!));

    /// <inheritdoc/>
    IReadOnlyCollection<Parameter> ITrainable.Copies => [.. Swaps.Select(swap => swap.Value).Distinct()];

    /// <inheritdoc/>
    IEnumerable<(string Name, Tensor Value)> ITrainable.Constants =>
        _model.Set.Active.SelectMany(adapter => adapter.Constants).Select(constant => (constant.Name, constant.Value));

    /// <inheritdoc/>
    bool ITrainable.LikeReference => _model.GradientsLikeReference;

    private (string Name, Parameter Parameter)[] Trained() => [.. _model.Parameters.Where(p => p.Parameter.RequiresGrad)];

    private IEnumerable<ParameterSwap> Swaps => _model.Set.Active.SelectMany(adapter => adapter.Swaps)
        .Where(swap => swap.Original is not null);

    /// <inheritdoc/>
    IReadOnlyList<FactorPair> ITrainable.FreezeDownProjections()
    {
        var pairs = LoraFaRules.PairsOf(_model.Get(_name));
        foreach (var pair in pairs)
        {
            pair.A.RequiresGrad = false;
        }
        _parameters = Trained();
        return pairs;
    }

    /// <inheritdoc/>
    void ITrainable.BeforeStep(long step, int batches) => _model.Steps.BeforeStep(step, batches);

    /// <inheritdoc/>
    IReadOnlyList<(Parameter Parameter, int[] Before)> ITrainable.TakePermutations() => _model.Steps.TakePermutations();

    /// <inheritdoc/>
    void ITrainable.AfterStep(long step) => _model.Steps.AfterStep(step);

    /// <inheritdoc/>
    string? ITrainable.CaptureKey
    {
        get
        {
            if (!_supportsCapture || _model.Set.Rows is not null || _model.Set.Observer is not null)
            {
                return null;
            }
            if (_captureKey.Value is null || _captureKey.Applied != _model.Set.Applied
                || _captureKey.Checkpointing != _model.Base.GradientCheckpointing)
            {
                _captureKey = (_model.Set.Applied, _model.Base.GradientCheckpointing,
                    $"{string.Join(',', _model.Set.Applied.Select(adapter => adapter.Name))},{_model.Base.GradientCheckpointing}");
            }
            return _captureKey.Value;
        }
    }

    /// <inheritdoc/>
    void ITrainable.Save(string directory) => _model.SaveState(directory, _name);

    /// <inheritdoc/>
    void ITrainable.Load(string directory) => _model.LoadState(directory, _name);
}

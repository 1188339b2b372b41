using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The graph of one forward and backward pass: its inputs as static tensors, the captured work, and its outputs (the loss and the
/// gradients that the pass allocates) as static tensors.</summary>
internal sealed class CapturedGraph : IDisposable
{
    private ICapturedGraph? _graph;
    private int _longest;
    private long _positionTables;
    private StaticInputs? _inputs;
    private StaticUploads? _uploads;
    private StaticTensor[] _outputs = [];

    // What the slots of streamed weights hold at the beginning and at the end of the pass; null without any.
    private StreamerState? _streamedBefore, _streamedAfter;

    /// <summary>For each parameter: the address of its value, the address of its gradient before the pass (0 without one), and the index in
    /// <see cref="_outputs"/> of the gradient that the pass allocates (−1 if it allocates none).</summary>
    private (nint Value, nint GradientBefore, int Output)[] _parameters = [];

    public bool IsCaptured => _graph is not null;

    /// <summary>Runs a pass and captures it, unless an op of the pass needs the host.</summary>
    /// <param name="eager">The step whose pass it is.</param>
    /// <param name="device">The device.</param>
    /// <param name="inputs">The inputs, uploaded.</param>
    /// <param name="targets">The targets, uploaded.</param>
    /// <param name="readsTokensAlone">See <see cref="TransformerModel.ReadsTokensAlone"/>; it decides which overload launches the
    /// graph.</param>
    /// <returns>The loss.</returns>
    public Tensor Capture(ITrainingStep eager, IGraphCapture device, ModelInputs inputs, Targets targets, bool readsTokensAlone)
    {
        var trainable = eager.Trainable;
        Tensor? loss = null;
        _longest = inputs.Longest;
        _inputs = readsTokensAlone ? new StaticInputs(inputs, targets, device.Arena) : null;
        _uploads = readsTokensAlone ? null : new StaticUploads(StaticUploads.Of(inputs, targets)!);
        _parameters = [.. trainable.Parameters.Select(p => (p.Parameter.Value.Storage.Address, AddressOf(p.Parameter.Gradient), -1))];
        var streamer = trainable.Model.Streamer;
        streamer?.Prepare();
        _streamedBefore = streamer?.State;
        var graph = device.Capture(() => loss = eager.ForwardBackward(inputs, targets), trainable.Model.Mode.Step);
        _streamedAfter = streamer?.State;
        _positionTables = trainable.Model.PositionTables(_longest);
        if (!graph.CanReplay)
        {
            graph.Dispose();
            return loss!;
        }
        var outputs = new List<StaticTensor> { new(loss!) };
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (_parameters[i].GradientBefore == 0 && trainable.Parameters[i].Parameter.Gradient is { } gradient)
            {
                _parameters[i].Output = outputs.Count;
                outputs.Add(new StaticTensor(gradient));
            }
        }
        _outputs = [.. outputs];
        _graph = graph;
        return loss!;
    }

    /// <summary>Uploads a batch and launches the graph.</summary>
    /// <returns>The loss; null, with nothing done, if a tensor is not at its captured address, the batch needs other tables of rotary
    /// positions, or the address of a static tensor is in use.</returns>
    public Tensor? Launch(ITrainable trainable, Batch batch, int targets) =>
        CanLaunch(trainable, batch.LongestPosition + 1) && _inputs!.Fill(batch, targets) ? ReplayAndFree(trainable) : null;

    /// <summary>Launches the graph on a batch of another task.</summary>
    /// <param name="trainable">The model and its parameters.</param>
    /// <param name="longest">One past the largest position.</param>
    /// <param name="uploads">The tensors of the batch, uploaded.</param>
    /// <returns>As of the other overload; null too if a tensor of the batch is not at its captured address.</returns>
    public Tensor? Launch(ITrainable trainable, int longest, IReadOnlyList<Uploaded> uploads) =>
        CanLaunch(trainable, longest) && _uploads!.Contain(uploads) ? Replay(trainable) : null;

    private bool CanLaunch(ITrainable trainable, int longest) => ParametersAreInPlace(trainable) && longest <= _longest
        && trainable.Model.PositionTables(longest) == _positionTables;

    private Tensor? ReplayAndFree(ITrainable trainable)
    {
        try
        {
            return Replay(trainable);
        }
        finally
        {
            _inputs!.Free();
        }
    }

    private Tensor? Replay(ITrainable trainable)
    {
        var streamer = trainable.Model.Streamer;
        streamer?.Prepare();
        if (!_graph!.Replay(_outputs, trainable.Model.Mode.Step))
        {
            return null;
        }
        streamer?.TakeReplayed(_streamedBefore!, _streamedAfter!);
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (_parameters[i].Output >= 0)
            {
                trainable.Parameters[i].Parameter.Value.GradFn!.Gradient = _outputs[_parameters[i].Output].Tensor;
            }
        }
        return _outputs[0].Tensor;
    }

    public void Dispose()
    {
        _graph?.Dispose();
        _graph = null;
    }

    private bool ParametersAreInPlace(ITrainable trainable)
    {
        if (trainable.Parameters.Count != _parameters.Length)
        {
            return false;
        }
        for (int i = 0; i < _parameters.Length; i++)
        {
            var parameter = trainable.Parameters[i].Parameter;
            if (parameter.Value.Storage.Address != _parameters[i].Value || AddressOf(parameter.Gradient) != _parameters[i].GradientBefore)
            {
                return false;
            }
        }
        return true;
    }

    private static nint AddressOf(Tensor? gradient) => gradient?.Storage.Address ?? 0;
}

using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The recording of one pass: the tensors that batches are written into, the work, and what it leaves behind.</summary>
internal sealed class CapturedGraph : IDisposable
{
    private ICapturedGraph? _recording;
    private int _longest;
    private StaticInputs _inputs = null!;
    private StaticTensor[] _left = [];

    /// <summary>Of each parameter: where it lies, where its gradient lay before the pass (0 if there was none), and the place in
    /// <see cref="_left"/> of the gradient that the pass leaves, −1 if it leaves none.</summary>
    private (nint Value, nint GradientBefore, int Left)[] _parameters = [];

    public bool IsRecorded => _recording is not null;

    /// <summary>Runs a pass and records it, unless it turns out that it cannot be repeated.</summary>
    public Tensor Record(ITrainable trainable, IGraphCapture device, ModelInputs inputs, Targets targets,
        Func<ModelInputs, Targets, Tensor> pass)
    {
        Tensor? loss = null;
        _longest = inputs.Longest;
        _inputs = new StaticInputs(inputs, targets);
        _parameters = [.. trainable.Parameters.Select(p => (p.Parameter.Value.Storage.Address, AddressOf(p.Parameter.Gradient), -1))];
        var recording = device.Capture(() => loss = pass(inputs, targets), trainable.Model.Mode.Step);
        if (!recording.CanReplay)
        {
            recording.Dispose();
            return loss!;
        }
        var left = new List<StaticTensor> { new(loss!) };
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (_parameters[i].GradientBefore == 0 && trainable.Parameters[i].Parameter.Gradient is { } gradient)
            {
                _parameters[i].Left = left.Count;
                left.Add(new StaticTensor(gradient));
            }
        }
        _left = [.. left];
        _recording = recording;
        return loss!;
    }

    /// <summary>Runs the recorded pass over another batch.</summary>
    /// <returns>The loss; null if something is not where it was, and nothing was done.</returns>
    public Tensor? Repeat(ITrainable trainable, Batch batch, int targets)
    {
        if (!FindsParameters(trainable) || batch.LongestPosition >= _longest || !_inputs.Fill(batch, targets))
        {
            return null;
        }
        try
        {
            if (!_recording!.Replay(_left, trainable.Model.Mode.Step))
            {
                return null;
            }
        }
        finally
        {
            _inputs.Free();
        }
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (_parameters[i].Left >= 0)
            {
                trainable.Parameters[i].Parameter.Value.GradFn!.Gradient = _left[_parameters[i].Left].Tensor;
            }
        }
        return _left[0].Tensor;
    }

    public void Dispose()
    {
        _recording?.Dispose();
        _recording = null;
    }

    private bool FindsParameters(ITrainable trainable)
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

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>One step of training: forward and backward of each micro batch, the guard against numbers that are none, clipping, the
/// optimizer. Training, the memory plan and the benchmarks all run this same code. When it returns, all memory it took has been given
/// back.</summary>
public sealed class TrainingStep : IDisposable
{
    private readonly ITrainable _trainable;
    private readonly Optimizer _optimizer;
    private readonly double _maxGradNorm;
    private readonly CapturedStep? _replay;

    /// <summary>Prepares steps.</summary>
    /// <param name="trainable">What trains.</param>
    /// <param name="optimizer">How, made for <see cref="ITrainable.Parameters"/>.</param>
    /// <param name="maxGradNorm">Gradients are scaled down to this norm; 0 for no limit.</param>
    public TrainingStep(ITrainable trainable, Optimizer optimizer, double maxGradNorm = 0)
    {
        (_trainable, _optimizer, _maxGradNorm) = (trainable, optimizer, maxGradNorm);
        Backend = BackendOfModel(trainable.Model);
        _replay = Backend is IGraphCapture device ? new CapturedStep(Backend, device, trainable, Pass, Plain) : null;
    }

    internal IBackend Backend { get; }

    /// <summary>How many passes over a micro batch were replayed from a recording.</summary>
    internal int Replayed => _replay?.Replayed ?? 0;

    /// <summary>Told where in the step we are, with what is on the tape.</summary>
    internal Action<StepPhase, Tape>? Watch { get; set; }

    /// <summary>Lowers the mean loss of all targets in all micro batches together, whichever batch they stand in.</summary>
    /// <param name="microBatches">Batches that are run one after the other, their gradients added.</param>
    /// <param name="learningRate">Size of the step.</param>
    /// <param name="number">Number of the step, counted from zero, for error sentences.</param>
    /// <param name="firstPass">Number of the first micro batch since the run began; dropout masks are drawn from it.</param>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; nothing was changed.</exception>
    public StepResult Run(IReadOnlyList<Batch> microBatches, double learningRate, int number = 0, ulong firstPass = 0)
    {
        int targets = 0, tokens = 0;
        for (int i = 0; i < microBatches.Count; i++)
        {
            targets += TargetsOf(_trainable.Model, microBatches[i]);
            tokens += microBatches[i].Tokens;
        }
        if (targets == 0)
        {
            throw new BadInputException(
                $"step {number + 1} has no token to learn: every label of its samples is masked; check the prompts and the maximum length");
        }
        var mode = _trainable.Model.Mode;
        bool before = mode.Training;
        mode.Training = true;
        try
        {
            double loss = 0;
            _trainable.BeforeStep(number + 1, microBatches.Count);
            for (int i = 0; i < microBatches.Count; i++)
            {
                mode.Step = firstPass + (ulong)i;
                loss += ForwardBackward(microBatches[i], targets);
            }
            double norm = GradientNorm.Of(_trainable.Parameters);
            if (!double.IsFinite(loss) || !double.IsFinite(norm))
            {
                throw new TrainingDivergedException(number + 1, loss, norm, GradientNorm.FirstNotFinite(_trainable.Parameters));
            }
            _optimizer.Step(learningRate, GradientNorm.ClipScale(norm, _maxGradNorm));
            _trainable.AfterStep(number + 1);
            foreach (var (parameter, places) in _trainable.TakePermutations())
            {
                _optimizer.PermuteState(parameter, places);
            }
            return new StepResult(loss, norm, tokens, targets);
        }
        finally
        {
            _optimizer.FreeGradients();
            mode.Training = before;
        }
    }

    /// <summary>Frees what was recorded.</summary>
    public void Dispose() => _replay?.Dispose();

    internal static IBackend BackendOfModel(CausalModel model) => model.TokenEmbedding.Weight.Value.Backend;

    /// <summary>How many tokens of a batch are learned. Behind virtual tokens the first of a row is one of them.</summary>
    internal static int TargetsOf(CausalModel model, Batch batch) => model.VirtualTokens is { ReadCount: > 0 }
        ? Targets.Count(batch.Labels, batch.BatchSize, first: true)
        : batch.TrainableTokens;

    internal static ModelInputs Inputs(IBackend backend, Batch batch) =>
        ModelInputs.From(backend, batch.InputIds, batch.BatchSize, positions: batch.Positions, ranges: batch.CausalRanges,
            tasks: batch.TaskIds);

    /// <summary>Adds one micro batch's gradients and returns its part of the loss.</summary>
    private double ForwardBackward(Batch batch, int targets)
    {
        if (TargetsOf(_trainable.Model, batch) == 0)
        {
            return 0;
        }
        using var loss = _replay is not null && Watch is null ? _replay.Run(batch, targets) : Plain(batch, targets);
        return loss.Item();
    }

    private Tensor Plain(Batch batch, int targets)
    {
        using var scope = new TensorScope();
        return Pass(Inputs(Backend, batch), Targets.FromLabels(Backend, batch.Labels, batch.BatchSize, targets));
    }

    /// <summary>Forward and backward; returns the loss, outside every scope.</summary>
    private Tensor Pass(ModelInputs inputs, Targets targets)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var loss = _trainable.Model.Loss(inputs, targets);
        Watch?.Invoke(StepPhase.Backward, tape);
        tape.Backward(loss);
        Watch?.Invoke(StepPhase.Optimizer, tape);
        return loss.Keep();
    }
}

/// <summary>What one step found.</summary>
/// <param name="Loss">Mean loss over all targets, before the step.</param>
/// <param name="GradientNorm">L2 norm of all gradients, before clipping.</param>
/// <param name="Tokens">Tokens read, padding left out.</param>
/// <param name="Targets">Tokens learned.</param>
public readonly record struct StepResult(double Loss, double GradientNorm, int Tokens, int Targets);

internal enum StepPhase
{
    Backward,
    Optimizer,
}

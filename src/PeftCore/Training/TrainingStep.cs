using PeftCore.Autograd;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>An optimizer step from plain calls: a tape, a backward pass, an optimizer. It is the readable twin of every decorated
/// step.</summary>
internal sealed class TrainingStep : ITrainingStep
{
    private readonly Optimizer _optimizer;
    private readonly double _maxGradNorm;

    /// <param name="trainable">The model and the parameters that are trained.</param>
    /// <param name="optimizer">The optimizer, made for <see cref="ITrainable.Parameters"/>; the caller disposes it.</param>
    /// <param name="maxGradNorm">Gradients are scaled down to this norm; 0 for no limit.</param>
    public TrainingStep(ITrainable trainable, Optimizer optimizer, double maxGradNorm = 0)
    {
        (Trainable, _optimizer, _maxGradNorm) = (trainable, optimizer, maxGradNorm);
        trainable.Model.Backend.Trim(); // What only loading and attaching needed must not stay reserved during the run.
    }

    public ITrainable Trainable { get; }

    /// <summary>Called between forward and backward, and between backward and the update, with the tape; the memory plan measures
    /// there.</summary>
    public Action<StepPhase, Tape>? PhaseObserver { get; set; }

    /// <summary>Called when the gradients of all micro batches are complete, before the update; null for nobody.</summary>
    public Action? GradientsReady { get; init; }

    public Tensor ForwardBackward(Batch batch, int targets)
    {
        using var scope = new TensorScope();
        var model = Trainable.Model;
        return ForwardBackward(batch.ToInputs(model), batch.ToTargets(model, targets));
    }

    public Tensor ForwardBackward(ModelInputs inputs, Targets targets)
    {
        using var device = Trainable.Model.Backend.EnterPass();
        using var scope = new TensorScope();
        using var tape = new Tape();
        var loss = Trainable.Model.Loss(inputs, targets);
        PhaseObserver?.Invoke(StepPhase.Backward, tape);
        tape.Backward(loss);
        PhaseObserver?.Invoke(StepPhase.Optimizer, tape);
        return loss.Keep();
    }

    public double Update(double loss, double learningRate, int number)
    {
        using var device = Trainable.Model.Backend.EnterPass();
        GradientsReady?.Invoke();
        double norm = GradientNorm.Of(Trainable.Parameters);
        if (!double.IsFinite(loss) || !double.IsFinite(norm))
        {
            throw new TrainingDivergedException(number + 1, loss, norm, GradientNorm.FirstNotFinite(Trainable.Parameters));
        }
        _optimizer.Step(learningRate, GradientNorm.ClipScale(norm, _maxGradNorm));
        Trainable.AfterStep(number + 1);
        foreach (var (parameter, before) in Trainable.TakePermutations())
        {
            _optimizer.PermuteState(parameter, before);
        }
        return norm;
    }

    public void Dispose() { }
}

/// <summary>The part of a step that begins.</summary>
internal enum StepPhase
{
    Backward,
    Optimizer,
}

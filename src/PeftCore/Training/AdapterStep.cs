using PeftCore.Data;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Optimizer steps of the active adapter of a model, one at a time, for a loop of one's own; <see cref="Trainer"/> has a loop with
/// evaluation, logs and checkpoints around the same steps.</summary>
public sealed class AdapterStep : IDisposable
{
    private readonly Optimizer _optimizer;
    private readonly ITrainingStep _step;
    private readonly ITrainable _trainable;
    private readonly double _maxGradNorm;

    /// <summary>Creates the optimizer and the step.</summary>
    /// <param name="model">The model; its active adapter is trained.</param>
    /// <param name="options">The optimizer and the clipping of gradients.</param>
    /// <exception cref="BadInputException">No adapter is active, or several are.</exception>
    public AdapterStep(PeftModel model, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        (_trainable, _maxGradNorm) = (new TrainableAdapter(model), options.MaxGradNorm);
        _optimizer = options.NewOptimizer(_trainable);
        _step = options.NewStep(_trainable, _optimizer);
    }

    /// <summary>Runs one optimizer step on the mean loss of all targets of all micro batches. All memory that it allocates is free again
    /// when it returns.</summary>
    /// <param name="microBatches">Batches whose gradients are accumulated.</param>
    /// <param name="learningRate">The learning rate.</param>
    /// <param name="number">Number of the step, from 0.</param>
    /// <param name="firstPass">Number of the first micro batch since the run began: the counter of the dropout masks.</param>
    /// <exception cref="BadInputException">No micro batch has a target.</exception>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; no parameter was changed.</exception>
    public StepResult Run(IReadOnlyList<Batch> microBatches, double learningRate, int number = 0, ulong firstPass = 0)
    {
        Given.Items(microBatches);
        return _step.Run(microBatches, learningRate, number, firstPass);
    }

    /// <summary>Runs a step as <see cref="Run"/> does, without captured graphs, and records it op by op.</summary>
    /// <param name="microBatches">Batches whose gradients are accumulated.</param>
    /// <param name="learningRate">The learning rate.</param>
    /// <param name="number">Number of the step, from 0.</param>
    /// <param name="firstPass">Number of the first micro batch since the run began: the counter of the dropout masks.</param>
    /// <param name="saved">Receives each saved tensor between the forward and the backward pass of each micro batch, with its op and its
    /// description; null for nobody. It may read the tensor, and must not keep it: backward frees it.</param>
    /// <exception cref="BadInputException">No micro batch has a target.</exception>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; no parameter was changed.</exception>
    public StepTrace Trace(IReadOnlyList<Batch> microBatches, double learningRate, int number = 0, ulong firstPass = 0,
        Action<TracedOp, TracedTensor, Tensor>? saved = null)
    {
        Given.Items(microBatches);
        using var step = new TrainingStep(_trainable, _optimizer, _maxGradNorm);
        return StepRecorder.Record(step, microBatches, learningRate, number, firstPass, saved);
    }

    /// <summary>Frees the optimizer's state.</summary>
    public void Dispose()
    {
        _step.Dispose();
        _optimizer.Dispose();
    }
}

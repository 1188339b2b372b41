using PeftCore.Data;
using PeftCore.Peft;

namespace PeftCore.Training;

/// <summary>Trains, evaluates, logs, keeps checkpoints, and goes on from them bit for bit as if it had never stopped.</summary>
public sealed class Trainer
{
    /// <summary>Prepares a run.</summary>
    /// <param name="trainable">What trains.</param>
    /// <param name="options">Settings.</param>
    /// <param name="train">The data to train on.</param>
    /// <param name="evaluation">The data to evaluate on; null for none.</param>
    /// <exception cref="BadInputException">A setting makes no sense, or the data name a task that the adapter does not have.</exception>
    public Trainer(ITrainable trainable, TrainerOptions options, DataLoader train, DataLoader? evaluation = null)
    {
        options.Check(canEvaluate: evaluation is not null);
        trainable.Model.VirtualTokens?.CheckTask(Math.Max(train.HighestTask, evaluation?.HighestTask ?? 0));
        (Trainable, Options, Train, Evaluation) = (trainable, options, train, evaluation);
    }

    /// <summary>Prepares a run that trains the active adapter of a model.</summary>
    public Trainer(PeftModel model, TrainerOptions options, DataLoader train, DataLoader? evaluation = null)
        : this(new TrainableAdapter(model), options, train, evaluation) { }

    /// <summary>Once before the first step, when settings and data have been checked and the output directory is ready.</summary>
    public event Action? Started;

    /// <summary>After each step.</summary>
    public event Action<TrainingProgress>? StepDone;

    /// <summary>After each evaluation.</summary>
    public event Action<TrainingEvaluation>? Evaluated;

    /// <summary>After a checkpoint was made, with its directory.</summary>
    public event Action<string>? CheckpointSaved;

    /// <summary>What trains.</summary>
    public ITrainable Trainable { get; }

    /// <summary>Settings.</summary>
    public TrainerOptions Options { get; }

    /// <summary>Steps of the whole run.</summary>
    public int TotalSteps => Options.TotalSteps(Train.BatchesPerEpoch);

    internal DataLoader Train { get; }

    internal DataLoader? Evaluation { get; }

    /// <summary>Called with a name wherever something is about to be written, so that a test can stop the run there.</summary>
    internal Action<string>? Fault { get; init; }

    /// <summary>Runs to the end, or until stopped.</summary>
    /// <param name="cancel">Ends the run after the current step, with a checkpoint if there is an output directory.</param>
    /// <exception cref="BadInputException">The checkpoint does not fit, or the output directory cannot be written to or holds another
    /// run.</exception>
    /// <exception cref="TrainingDivergedException">A number stopped being finite.</exception>
    public TrainingResult Run(CancellationToken cancel = default)
    {
        using var run = new TrainerRun(this);
        Started?.Invoke();
        return run.ToEnd(cancel);
    }

    internal void Tell(TrainingProgress progress) => StepDone?.Invoke(progress);

    internal void Tell(TrainingEvaluation evaluation) => Evaluated?.Invoke(evaluation);

    internal void Tell(string checkpoint) => CheckpointSaved?.Invoke(checkpoint);
}

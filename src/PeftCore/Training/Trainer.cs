using PeftCore.Data;
using PeftCore.Peft;

namespace PeftCore.Training;

/// <summary>Trains a model, evaluates, logs and writes checkpoints. A run that is resumed from a checkpoint computes the same bits as one
/// that never stopped. The order of a run is in <see cref="TrainingLoop.Run"/>.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// var tokenizer = Tokenizer.FromDirectory(modelDirectory);
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16 });
/// var samples = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 96, MaskPrompt = true })
///     .Encode(DataFiles.Open(dataFile).RequireTrain());
/// var loader = new DataLoader(samples, new LoaderOptions { BatchSize = 4, PadId = tokenizer.PadId ?? 0 });
///
/// var trainer = new Trainer(model, new TrainerOptions { LearningRate = 1e-3, MaxSteps = 5 }, loader);
/// trainer.StepDone += progress => Console.WriteLine($"step {progress.Step}, loss {progress.Loss:0.000}");
/// Console.WriteLine(trainer.Run().TrainLoss);
/// </code>
/// </example>
public sealed class Trainer
{
    /// <summary>Prepares a run.</summary>
    /// <param name="trainable">The model and the parameters that are trained.</param>
    /// <param name="options">Settings.</param>
    /// <param name="train">The training data.</param>
    /// <param name="evaluation">The evaluation data; null for none.</param>
    /// <exception cref="BadInputException">A setting is out of range, or the data name a task that the adapter does not have.</exception>
    internal Trainer(ITrainable trainable, TrainerOptions options, DataLoader train, DataLoader? evaluation = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(train);
        options.Check(canEvaluate: evaluation is not null);
        options.CheckMetric(trainable.Model.Task);
        options.Freeze(trainable); // Before the run, so that what is said of it counts what trains.
        trainable.Model.VirtualTokens?.CheckTask(Math.Max(train.HighestTask, evaluation?.HighestTask ?? 0));
        (Trainable, Options, Train, Evaluation) = (trainable, options, train, evaluation);
    }

    /// <summary>Prepares a run that trains the active adapter of a model.</summary>
    public Trainer(PeftModel model, TrainerOptions options, DataLoader train, DataLoader? evaluation = null)
        : this(new TrainableAdapter(model), options, train, evaluation) { }

    /// <summary>Raised once, before the first step, after settings, data and output directory were checked.</summary>
    public event Action? Started;

    /// <summary>Raised after each step.</summary>
    public event Action<TrainingProgress>? StepDone;

    /// <summary>Raised after each evaluation.</summary>
    public event Action<TrainingEvaluation>? Evaluated;

    /// <summary>Raised after each checkpoint, with its directory.</summary>
    internal event Action<string>? CheckpointSaved;

    /// <summary>The model and the parameters that are trained.</summary>
    internal ITrainable Trainable { get; }

    /// <summary>Settings.</summary>
    internal TrainerOptions Options { get; }

    /// <summary>Optimizer steps of the whole run.</summary>
    public int TotalSteps => Options.TotalSteps(Train.BatchesPerEpoch);

    internal DataLoader Train { get; }

    internal DataLoader? Evaluation { get; }

    /// <summary>Called with a name before each write to the output directory, so that a test can end the run there.</summary>
    internal Action<string>? Fault { get; init; }

    /// <summary>Runs to the last step, or until cancelled.</summary>
    /// <param name="cancel">Ends the run after the current step, with a checkpoint if there is an output directory.</param>
    /// <exception cref="BadInputException">The checkpoint does not fit, or the output directory is read-only or holds another
    /// run.</exception>
    /// <exception cref="TrainingDivergedException">A loss or a gradient is not finite.</exception>
    public TrainingResult Run(CancellationToken cancel = default)
    {
        using var loop = new TrainingLoop(this);
        Started?.Invoke();
        return loop.Run(cancel);
    }

    internal void Raise(TrainingProgress progress) => StepDone?.Invoke(progress);

    internal void Raise(TrainingEvaluation evaluation) => Evaluated?.Invoke(evaluation);

    internal void Raise(string checkpoint) => CheckpointSaved?.Invoke(checkpoint);
}

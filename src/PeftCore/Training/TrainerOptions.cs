using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Training.Metrics;

namespace PeftCore.Training;

/// <summary>The optimizers a <see cref="Trainer"/> can create.</summary>
public enum OptimizerKind
{
    /// <summary><see cref="Optim.AdamW"/>.</summary>
    AdamW,

    /// <summary><see cref="Optim.Sgd"/>.</summary>
    Sgd,

    /// <summary>AdamW with moments of 8 bits, as bitsandbytes has it: see <see cref="Optim.AdamW8Bit"/>.</summary>
    AdamW8Bit,

    /// <summary><see cref="Optim.Lion"/>.</summary>
    Lion,

    /// <summary><see cref="Optim.Adafactor"/> with the given learning rate.</summary>
    Adafactor,

    /// <summary><see cref="Optim.AdamW"/> with moments in host memory, as bitsandbytes' paged optimizers have them: each step fetches them
    /// beside its updates. On a device whose own memory is host memory, as
    /// the CPU's, they stay there; a <see cref="MemoryPlan"/> counts them as for a card.</summary>
    PagedAdamW,

    /// <summary><see cref="AdamW8Bit"/> with moments in host memory.</summary>
    PagedAdamW8Bit,

    /// <summary><see cref="Optim.Lion"/> with its moment in host memory.</summary>
    PagedLion,

    /// <summary>AdamW in which LoRA's factors B learn faster than A: see <see cref="Optim.LoraPlus"/> and
    /// <see cref="TrainerOptions.LoraPlusRates"/>.</summary>
    LoraPlus,

    /// <summary>AdamW of LoRA's factors B alone, with a projected gradient, while A is frozen: see <see cref="Optim.LoraFa"/>. A stays
    /// frozen until <see cref="Peft.PeftModel.SetRequiresGrad"/>.</summary>
    LoraFa,
}

/// <summary>Settings of a <see cref="Trainer"/>. The defaults are those of Hugging Face's Trainer, except the learning rate, which is
/// chosen for adapters, the rows of the log and the number of checkpoints. The command line takes its defaults from here.</summary>
/// <example>
/// <code>
/// var options = new TrainerOptions
/// {
///     LearningRate = 2e-4, Epochs = 3, WarmupRatio = 0.03, Schedule = ScheduleKind.Cosine,
///     GradientAccumulationSteps = 4, OutputDirectory = outputDirectory, SaveSteps = 200,
/// };
/// var longer = options with { Epochs = 5 };
/// </code>
/// </example>
public sealed record TrainerOptions
{
    /// <summary>Output directory for the result, training_log.jsonl and the checkpoint-N directories; null writes no files.</summary>
    public string? OutputDirectory { get; init; }

    /// <summary>Checkpoint directory to resume from; null starts a new run. See <see cref="Checkpoint.Last"/>.</summary>
    public string? ResumeFrom { get; init; }

    /// <summary>Number of passes over the data, which may be fractional; unused if <see cref="MaxSteps"/> is set.</summary>
    public double Epochs { get; init; } = 3;

    /// <summary>Optimizer steps of the whole run; 0 uses <see cref="Epochs"/>.</summary>
    public int MaxSteps { get; init; }

    /// <summary>Number of micro batches whose gradients a step accumulates.</summary>
    public int GradientAccumulationSteps { get; init; } = 1;

    /// <summary>The optimizer.</summary>
    public OptimizerKind Optimizer { get; init; }

    /// <summary>Peak learning rate, after the warm-up.</summary>
    public double LearningRate { get; init; } = 2e-4;

    /// <summary>Decay of the learning rate.</summary>
    public ScheduleKind Schedule { get; init; }

    /// <summary>Warm-up steps; 0 uses <see cref="WarmupRatio"/>.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>Warm-up steps as a fraction of all steps.</summary>
    public double WarmupRatio { get; init; }

    /// <summary>β₁ and β₂ of AdamW and Lion, in [0, 1); Lion's paper has 0.9 and 0.99.</summary>
    public (float Beta1, float Beta2) Betas { get; init; } = (0.9f, 0.999f);

    /// <summary>LoRA+'s ratio of the learning rate of B to that of A, of at least 1, and its peak learning rate of the factors of
    /// embeddings, above 0. The schedule multiplies all rates. 16 is the paper's advice, 1e-6 Hugging Face PEFT's default.</summary>
    public (double Ratio, double Embedding) LoraPlusRates { get; init; } = (16, 1e-6);

    /// <summary>AdamW's ε, above 0.</summary>
    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>SGD's momentum.</summary>
    public float Momentum { get; init; }

    /// <summary>Weight decay λ.</summary>
    public float WeightDecay { get; init; }

    /// <summary>Which parameters decay; null for the rule of Hugging Face's Trainer
    /// (<see cref="WeightDecayFilter.LikeTrainer"/>).</summary>
    internal Func<string, Parameter, bool>? Decays { get; init; }

    /// <summary>Gradients are scaled down to this norm; 0 for no limit.</summary>
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>Steps between rows of the log.</summary>
    public int LoggingSteps { get; init; } = 10;

    private const string Loss = "loss";

    /// <summary>Steps between evaluations; 0 evaluates at the end only.</summary>
    public int EvalSteps { get; init; }

    /// <summary>Steps between checkpoints; 0 writes one only if the run is interrupted, or for <see cref="LoadBestModelAtEnd"/>.</summary>
    public int SaveSteps { get; init; }

    /// <summary>Maximum number of checkpoints; 0 keeps all. The last and the best are always kept.</summary>
    public int SaveTotalLimit { get; init; } = 2;

    /// <summary>Whether the run ends with the parameters that had the best evaluation: the lowest loss, or the best
    /// <see cref="MetricForBestModel"/>.</summary>
    public bool LoadBestModelAtEnd { get; init; }

    /// <summary>The metric that tells which evaluation is the best, one of <see cref="EvaluationResult.Metrics"/>; null for the loss. Of
    /// losses and errors the lowest is the best, of others the highest.</summary>
    public string? MetricForBestModel { get; init; }

    /// <summary>Evaluations in a row without a better result after which training stops; 0 disables early stopping.</summary>
    public int EarlyStoppingPatience { get; init; }

    /// <summary>Minimum improvement of the loss or metric that early stopping counts as an improvement.</summary>
    internal double EarlyStoppingThreshold { get; init; }

    /// <summary>Seed of dropout. The loader has its own seed for the order of the data.</summary>
    public ulong Seed { get; init; } = DefaultSeed.Value;

    /// <summary>Freezes what the optimizer does not train.</summary>
    /// <returns>The factors of LoRA that <see cref="OptimizerKind.LoraFa"/> trains; none of another optimizer.</returns>
    internal IReadOnlyList<FactorPair> Freeze(ITrainable trainable) =>
        Optimizer == OptimizerKind.LoraFa ? trainable.FreezeDownProjections() : [];

    /// <summary>Creates the optimizer of these settings.</summary>
    internal Optimizer NewOptimizer(ITrainable trainable)
    {
        var pairs = Freeze(trainable);
        var decays = Decays ?? WeightDecayFilter.LikeTrainer(trainable.Model);
        var (parameters, (beta1, beta2)) = (trainable.Parameters, Betas);
        return Optimizer switch
        {
            OptimizerKind.AdamW or OptimizerKind.PagedAdamW => new AdamW(parameters, beta1, beta2, Epsilon, WeightDecay, decays,
                Optimizer == OptimizerKind.PagedAdamW),
            OptimizerKind.AdamW8Bit or OptimizerKind.PagedAdamW8Bit => new AdamW8Bit(parameters, beta1, beta2, Epsilon, WeightDecay, decays,
                Optimizer == OptimizerKind.PagedAdamW8Bit),
            OptimizerKind.Lion or OptimizerKind.PagedLion => new Lion(parameters, beta1, beta2, WeightDecay, decays,
                Optimizer == OptimizerKind.PagedLion),
            OptimizerKind.LoraPlus => LoraPlus.New(parameters, trainable.Model, LearningRate, LoraPlusRates, Betas, Epsilon, WeightDecay),
            OptimizerKind.LoraFa => new LoraFa(parameters, pairs, beta1, beta2, Epsilon, WeightDecay, Decays)
            {
                RoundsLikeReference = trainable.LikeReference,
            },
            OptimizerKind.Adafactor => new Adafactor(parameters, WeightDecay, decays),
            OptimizerKind.Sgd => new Sgd(parameters, new SgdOptions(Momentum, WeightDecay: WeightDecay, Decays: decays)),
            _ => throw new BadInputException(
                $"optim is {(int)Optimizer}, expected one of {string.Join(", ", Enum.GetNames<OptimizerKind>())}"),
        };
    }

    /// <summary>Creates the step that a <see cref="Trainer"/> runs: plain, or with its passes captured as graphs where the device supports
    /// it. Both compute the same bits.</summary>
    /// <param name="trainable">The model and the parameters that are trained.</param>
    /// <param name="optimizer">The optimizer, made for <see cref="ITrainable.Parameters"/>; the caller disposes it.</param>
    /// <param name="gradientsReady">Called in each step before the update; null for nobody.</param>
    internal ITrainingStep NewStep(ITrainable trainable, Optimizer optimizer, Action? gradientsReady = null) =>
        CapturedStep.Wrap(new TrainingStep(trainable, optimizer, MaxGradNorm) { GradientsReady = gradientsReady });

    /// <summary>Optimizer steps of a run with this many batches an epoch. The last step of an epoch may have fewer micro batches.</summary>
    internal int TotalSteps(int batchesPerEpoch) => MaxSteps > 0 ? MaxSteps : (int)Math.Ceiling(Epochs * StepsPerEpoch(batchesPerEpoch));

    internal int StepsPerEpoch(int batchesPerEpoch) => (batchesPerEpoch + GradientAccumulationSteps - 1) / GradientAccumulationSteps;

    internal LearningRateSchedule NewSchedule(int totalSteps) =>
        new(Schedule, LearningRate, totalSteps, WarmupSteps > 0 ? WarmupSteps : LearningRateSchedule.StepsOf(WarmupRatio, totalSteps));

    /// <summary>Checks the ranges of all settings. Errors use the names of the command line and of Hugging Face.</summary>
    internal void Check(bool canEvaluate)
    {
        Require(double.IsFinite(LearningRate) && LearningRate > 0, "learning_rate", $"{LearningRate}", "above 0");
        Require(MaxSteps > 0 || (double.IsFinite(Epochs) && Epochs > 0), "num_epochs", $"{Epochs}", "above 0");
        Require(GradientAccumulationSteps > 0, "gradient_accumulation_steps", $"{GradientAccumulationSteps}", "at least 1");
        Require(WarmupRatio is >= 0 and <= 1, "warmup_ratio", $"{WarmupRatio}", "between 0 and 1");
        Require(WarmupSteps >= 0, "warmup_steps", $"{WarmupSteps}", "at least 0");
        Require(MaxGradNorm >= 0, "max_grad_norm", $"{MaxGradNorm}", "at least 0");
        Require(LoggingSteps > 0, "logging_steps", $"{LoggingSteps}", "at least 1");
        Hyperparameters.Checked(WeightDecay, Betas.Beta1, Betas.Beta2, Epsilon);
        Hyperparameters.CheckLoraPlus(LoraPlusRates.Ratio, LoraPlusRates.Embedding, LearningRate);
        Require(EvalSteps >= 0 && SaveSteps >= 0 && SaveTotalLimit >= 0 && EarlyStoppingPatience >= 0,
            "eval_steps, save_steps, save_total_limit or early_stopping_patience", "negative", "at least 0");
        if ((LoadBestModelAtEnd || EarlyStoppingPatience > 0 || MetricForBestModel is not null) && !canEvaluate)
        {
            throw new BadInputException(
                "early stopping, load_best_model_at_end and metric_for_best_model go by evaluations, but there are no data to evaluate " +
                "on; give a validation set");
        }
        if (OutputDirectory is null && (LoadBestModelAtEnd || SaveSteps > 0))
        {
            throw new BadInputException("checkpoints were asked for, but there is no output directory to keep them in; give one");
        }
    }

    /// <summary>Refuses a metric that the task does not have.</summary>
    internal void CheckMetric(ModelTask task)
    {
        if (MetricForBestModel is { } metric && metric != Loss && !TaskMeter.NamesOf(task).Contains(metric))
        {
            throw new BadInputException($"metric_for_best_model is \"{metric}\", expected " +
                $"{string.Join(" or ", [Loss, .. TaskMeter.NamesOf(task)])}, "
                + "the metrics of the model's task");
        }
    }

    /// <summary>A number that is lower for a better evaluation.</summary>
    internal double BadnessOf(EvaluationResult result)
    {
        if (MetricForBestModel is null or Loss)
        {
            return result.Loss;
        }
        double value = result.Metrics.TryGetValue(MetricForBestModel, out double found) ? found : throw new BadInputException(
            $"metric_for_best_model is \"{MetricForBestModel}\", but the evaluation has only {string.Join(", ", result.Metrics.Keys)}");
        return double.IsNaN(value) ? double.PositiveInfinity : TaskMeter.IsLowerBetter(MetricForBestModel) ? value : -value;
    }

    private static void Require(bool holds, string name, string found, string expected)
    {
        if (!holds)
        {
            throw new BadInputException($"{name} is {found}, expected a number {expected}");
        }
    }
}

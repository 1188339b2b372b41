using System.Text.Json.Nodes;
using PeftCore.Data;
using PeftCore.Io;

namespace PeftCore.Training;

/// <summary>The state of a run besides the parameters and the optimizer's moments: trainer_state.json of a checkpoint. For dropout it holds
/// the seed and the number of passes, because a mask is a pure function of both.</summary>
internal sealed class TrainerState
{
    private const int Version = 1;

    /// <summary>Optimizer steps done.</summary>
    public int Step { get; set; }

    /// <summary>The next batch to draw.</summary>
    public DataPosition Position { get; set; }

    /// <summary>Micro batches drawn.</summary>
    public ulong Passes { get; set; }

    public ulong Seed { get; init; }

    /// <summary>Hash of the samples and of the loader's options.</summary>
    public ulong DataFingerprint { get; init; }

    public int GradientAccumulationSteps { get; init; }

    /// <summary>Bytes of the log at the checkpoint.</summary>
    public long LogLength { get; set; }

    /// <summary>Sum of the losses of all steps.</summary>
    public double LossSum { get; set; }

    /// <summary>Sum of the losses of the steps since the last row of the log.</summary>
    public double UnloggedLossSum { get; set; }

    /// <summary>Steps since the last row of the log.</summary>
    public int UnloggedSteps { get; set; }

    /// <summary>Tokens read, without padding.</summary>
    public long Tokens { get; set; }

    /// <summary>Seconds of the whole run.</summary>
    public double Elapsed { get; set; }

    /// <summary>Seconds of the training steps alone.</summary>
    public double StepSeconds { get; set; }

    public long PeakBytes { get; set; }

    /// <summary>The step with the best evaluation; 0 before any evaluation.</summary>
    public int BestStep { get; set; }

    /// <summary>The loss of the best evaluation.</summary>
    public double BestLoss { get; set; }

    /// <summary>What the best evaluation was chosen by, lower for a better one: its loss, or its metric with the sign for that.</summary>
    public double BestBadness { get; set; }

    /// <summary>The metric that chooses the best evaluation; "loss" by default.</summary>
    public string BestMetric { get; init; } = "loss";

    public double LastEvalLoss { get; set; }

    public int EvaluationsWithoutImprovement { get; set; }

    /// <summary>Whether the evaluation that follows the last step is not done yet.</summary>
    public bool EvaluationDue { get; set; }

    /// <summary>Whether early stopping has ended the run.</summary>
    public bool StoppedEarly { get; set; }

    /// <summary>The state of a new run, or that of the checkpoint to resume from.</summary>
    /// <exception cref="BadInputException">There is no such checkpoint, or its run had other data or settings.</exception>
    public static TrainerState Start(TrainerOptions options, ulong dataFingerprint)
    {
        var fresh = new TrainerState
        {
            Seed = options.Seed,
            DataFingerprint = dataFingerprint,
            GradientAccumulationSteps = options.GradientAccumulationSteps,
            BestMetric = options.MetricForBestModel ?? "loss",
        };
        if (options.ResumeFrom is not { } checkpoint)
        {
            return fresh;
        }
        var state = Checkpoint.ReadState(checkpoint);
        state.CheckResumable(checkpoint, fresh);
        return state;
    }

    /// <summary>Adds a step.</summary>
    /// <param name="result">Its result.</param>
    /// <param name="microBatches">Its micro batches.</param>
    /// <param name="next">The next batch to draw.</param>
    /// <param name="seconds">Its time.</param>
    public void AddStep(StepResult result, int microBatches, DataPosition next, double seconds)
    {
        Step++;
        Passes += (ulong)microBatches;
        Position = next;
        LossSum += result.Loss;
        UnloggedLossSum += result.Loss;
        UnloggedSteps++;
        Tokens += result.Tokens;
        StepSeconds += seconds;
    }

    /// <summary>Returns the mean loss of the steps since the last row of the log, and resets it.</summary>
    public double TakeUnloggedLoss()
    {
        double mean = UnloggedLossSum / UnloggedSteps;
        (UnloggedLossSum, UnloggedSteps) = (0, 0);
        return mean;
    }

    /// <summary>Adds an evaluation, and stops the run if early stopping applies.</summary>
    /// <returns>Whether it is the best so far.</returns>
    public bool AddEvaluation(EvaluationResult result, TrainerOptions options)
    {
        double badness = options.BadnessOf(result);
        bool first = BestStep == 0;
        bool improved = first || badness < BestBadness - options.EarlyStoppingThreshold;
        EvaluationsWithoutImprovement = improved ? 0 : EvaluationsWithoutImprovement + 1;
        bool best = first || badness < BestBadness;
        if (best)
        {
            (BestStep, BestLoss, BestBadness) = (Step, result.Loss, badness);
        }
        StoppedEarly = options.EarlyStoppingPatience > 0 && EvaluationsWithoutImprovement >= options.EarlyStoppingPatience;
        (LastEvalLoss, EvaluationDue) = (result.Loss, false);
        return best;
    }

    public void Write(string path) => JsonFile.Write(path, new JsonObject
    {
        ["version"] = Version,
        ["step"] = Step,
        ["epoch"] = Position.Epoch,
        ["batch"] = Position.Batch,
        ["passes"] = $"{Passes}",
        ["seed"] = $"{Seed}",
        ["data_fingerprint"] = $"{DataFingerprint}",
        ["gradient_accumulation_steps"] = GradientAccumulationSteps,
        ["log_length"] = LogLength,
        ["loss_sum"] = LossSum,
        ["unlogged_loss_sum"] = UnloggedLossSum,
        ["unlogged_steps"] = UnloggedSteps,
        ["tokens"] = Tokens,
        ["elapsed"] = Elapsed,
        ["step_seconds"] = StepSeconds,
        ["peak_bytes"] = PeakBytes,
        ["best_step"] = BestStep,
        ["best_loss"] = BestLoss,
        ["best_badness"] = double.IsFinite(BestBadness) ? BestBadness : double.MaxValue,
        ["best_metric"] = BestMetric,
        ["last_eval_loss"] = LastEvalLoss,
        ["evaluations_without_gain"] = EvaluationsWithoutImprovement,
        ["evaluation_due"] = EvaluationDue,
        ["stopped_early"] = StoppedEarly,
    });

    public static TrainerState Read(string path)
    {
        var file = ConfigReader.Open(path);
        if (file.Int("version") != Version)
        {
            throw file.Error("version", $"is {file.Int("version")}, this version of the library reads {Version}");
        }
        return new TrainerState
        {
            Step = file.Int("step", min: 0),
            Position = new DataPosition(file.Int("epoch", min: 0), file.Int("batch", min: 0)),
            Passes = UInt64(file, "passes"),
            Seed = UInt64(file, "seed"),
            DataFingerprint = UInt64(file, "data_fingerprint"),
            GradientAccumulationSteps = file.Int("gradient_accumulation_steps", min: 1),
            LogLength = Count(file, "log_length"),
            LossSum = file.Float("loss_sum"),
            UnloggedLossSum = file.Float("unlogged_loss_sum"),
            UnloggedSteps = file.Int("unlogged_steps", min: 0),
            Tokens = Count(file, "tokens"),
            Elapsed = file.Float("elapsed", min: 0),
            StepSeconds = file.Float("step_seconds", min: 0),
            PeakBytes = Count(file, "peak_bytes"),
            BestStep = file.Int("best_step", min: 0),
            BestLoss = file.Float("best_loss"),
            // Earlier versions chose by the loss.
            BestBadness = file.Has("best_badness") ? file.Float("best_badness") : file.Float("best_loss"),
            BestMetric = file.StringOrNull("best_metric") ?? "loss",
            LastEvalLoss = file.Float("last_eval_loss"),
            EvaluationsWithoutImprovement = file.Int("evaluations_without_gain", min: 0),
            EvaluationDue = file.Bool("evaluation_due"),
            StoppedEarly = file.Bool("stopped_early"),
        };
    }

    /// <summary>Throws if data or settings differ from those of the run's start, because the result would belong to neither run.</summary>
    private void CheckResumable(string checkpoint, TrainerState fresh)
    {
        Same("seed", Seed, fresh.Seed);
        Same("gradient_accumulation_steps", (ulong)GradientAccumulationSteps, (ulong)fresh.GradientAccumulationSteps);
        if (BestStep > 0 && BestMetric != fresh.BestMetric)
        {
            throw new BadInputException($"{checkpoint}: the run chose its best evaluation by {BestMetric}, but now metric_for_best_model " +
                $"is {fresh.BestMetric}; resume with {BestMetric}, or start a new run");
        }
        if (DataFingerprint != fresh.DataFingerprint)
        {
            throw new BadInputException(
                $"{checkpoint}: the run was made with other training data, another batch size or another order than given now; " +
                "resume with those it began with, or start a new run");
        }

        void Same(string name, ulong before, ulong now)
        {
            if (before != now)
            {
                throw new BadInputException(
                    $"{checkpoint}: the run began with {name} {before}, but now it is {now}; resume with {before}, or start a new run");
            }
        }
    }

    // Stored as a string, because many JSON readers keep only 53 bits of a number.
    private static ulong UInt64(ConfigReader file, string name) =>
        NumberText.TryWhole(file.String(name), out ulong value)
            ? value
            : throw file.Error(name, $"is \"{file.String(name)}\", expected a whole number in quotes");

    private static long Count(ConfigReader file, string name) => (long)file.Float(name, min: 0, max: 1L << 53);
}

using System.Text.Json.Nodes;
using PeftCore.Data;
using PeftCore.Io;

namespace PeftCore.Training;

/// <summary>All that a run is made of besides parameters and moments: trainer_state.json of a checkpoint. Dropout needs no more than the
/// seed and the number of passes, for its masks are functions of them.</summary>
internal sealed class TrainerState
{
    private const int Version = 1;

    /// <summary>Steps taken.</summary>
    public int Step { get; set; }

    /// <summary>The next batch of the data.</summary>
    public DataPosition Position { get; set; }

    /// <summary>Micro batches run.</summary>
    public ulong Passes { get; set; }

    public ulong Seed { get; init; }

    /// <summary>Of the data and the way they are batched.</summary>
    public ulong DataFingerprint { get; init; }

    public int GradientAccumulationSteps { get; init; }

    /// <summary>Bytes of the log when the checkpoint was made.</summary>
    public long LogLength { get; set; }

    /// <summary>Sum of the steps' losses, and how many of them no row of the log has shown yet.</summary>
    public double LossSum { get; set; }

    public double UnloggedLossSum { get; set; }

    public int UnloggedSteps { get; set; }

    public long Tokens { get; set; }

    /// <summary>Seconds of the whole run, and of its training steps alone.</summary>
    public double Elapsed { get; set; }

    public double StepSeconds { get; set; }

    public long PeakBytes { get; set; }

    /// <summary>The step with the lowest evaluation loss; 0 before any evaluation.</summary>
    public int BestStep { get; set; }

    public double BestLoss { get; set; }

    public double LastEvalLoss { get; set; }

    public int EvaluationsWithoutGain { get; set; }

    /// <summary>The step is taken, but the evaluation that belongs to it is not done.</summary>
    public bool EvaluationDue { get; set; }

    /// <summary>Early stopping has ended the run.</summary>
    public bool StoppedEarly { get; set; }

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
        ["last_eval_loss"] = LastEvalLoss,
        ["evaluations_without_gain"] = EvaluationsWithoutGain,
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
            Passes = Word(file, "passes"),
            Seed = Word(file, "seed"),
            DataFingerprint = Word(file, "data_fingerprint"),
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
            LastEvalLoss = file.Float("last_eval_loss"),
            EvaluationsWithoutGain = file.Int("evaluations_without_gain", min: 0),
            EvaluationDue = file.Bool("evaluation_due"),
            StoppedEarly = file.Bool("stopped_early"),
        };
    }

    /// <summary>Refuses to go on with other data or settings than the run began with: the result would be neither run's.</summary>
    public void CheckGoesOn(string checkpoint, TrainerState fresh)
    {
        Same("seed", Seed, fresh.Seed);
        Same("gradient_accumulation_steps", (ulong)GradientAccumulationSteps, (ulong)fresh.GradientAccumulationSteps);
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

    // A JSON number holds 53 bits; these have 64.
    private static ulong Word(ConfigReader file, string name) =>
        NumberText.TryWhole(file.String(name), out ulong value)
            ? value
            : throw file.Error(name, $"is \"{file.String(name)}\", expected a whole number in quotes");

    private static long Count(ConfigReader file, string name) => (long)file.Float(name, min: 0, max: 1L << 53);
}

namespace PeftCore.Training;

/// <summary>Progress of a run after a step.</summary>
public readonly struct TrainingProgress
{
    internal TrainingProgress(int step, int totalSteps, double epoch, double loss, double learningRate, double gradientNorm,
        double tokensPerSecond, long peakBytes, TimeSpan elapsed, TimeSpan timeLeft)
    {
        Step = step;
        TotalSteps = totalSteps;
        Epoch = epoch;
        Loss = loss;
        LearningRate = learningRate;
        GradientNorm = gradientNorm;
        TokensPerSecond = tokensPerSecond;
        PeakBytes = peakBytes;
        Elapsed = elapsed;
        TimeLeft = timeLeft;
    }

    /// <summary>Steps done.</summary>
    public int Step { get; }

    /// <summary>Steps of the whole run.</summary>
    public int TotalSteps { get; }

    /// <summary>Number of passes over the data, as a fraction.</summary>
    public double Epoch { get; }

    /// <summary>Loss of this step.</summary>
    public double Loss { get; }

    /// <summary>Learning rate of this step.</summary>
    public double LearningRate { get; }

    /// <summary>L2 norm of all gradients, before clipping.</summary>
    internal double GradientNorm { get; }

    /// <summary>Tokens read a second in this step, without padding.</summary>
    public double TokensPerSecond { get; }

    /// <summary>Peak bytes of live tensors so far.</summary>
    public long PeakBytes { get; }

    /// <summary>Time of the whole run, including that before a resumption.</summary>
    internal TimeSpan Elapsed { get; }

    /// <summary>Estimated time of the remaining steps, at the speed since the start or resumption.</summary>
    public TimeSpan TimeLeft { get; }
}

/// <summary>An evaluation during a run.</summary>
public sealed class TrainingEvaluation
{
    internal TrainingEvaluation(int step, EvaluationResult result, bool isBest) => (Step, Result, IsBest) = (step, result, isBest);

    /// <summary>Steps done.</summary>
    public int Step { get; }

    /// <summary>Loss, perplexity and metrics.</summary>
    public EvaluationResult Result { get; }

    /// <summary>Whether this evaluation is the best of the run so far.</summary>
    public bool IsBest { get; }
}

/// <summary>The result of a run.</summary>
public sealed class TrainingResult
{
    internal TrainingResult(int steps, double trainLoss, double? evalLoss, double tokensPerSecond, long peakBytes, TimeSpan elapsed,
        bool interrupted, bool stoppedEarly, int bestStep, string? checkpoint)
    {
        Steps = steps;
        TrainLoss = trainLoss;
        EvalLoss = evalLoss;
        TokensPerSecond = tokensPerSecond;
        PeakBytes = peakBytes;
        Elapsed = elapsed;
        Interrupted = interrupted;
        StoppedEarly = stoppedEarly;
        BestStep = bestStep;
        Checkpoint = checkpoint;
    }

    /// <summary>Steps done, those before a resumption included.</summary>
    public int Steps { get; }

    /// <summary>Mean of the steps' losses.</summary>
    public double TrainLoss { get; }

    /// <summary>Evaluation loss of the final parameters; null without evaluation.</summary>
    public double? EvalLoss { get; }

    /// <summary>Tokens read a second, over the time of the training steps.</summary>
    public double TokensPerSecond { get; }

    /// <summary>Peak bytes of live tensors.</summary>
    public long PeakBytes { get; }

    /// <summary>Time of the whole run, including that before a resumption.</summary>
    internal TimeSpan Elapsed { get; }

    /// <summary>Whether the run was cancelled; with an output directory it wrote a checkpoint to resume from.</summary>
    public bool Interrupted { get; }

    /// <summary>Whether early stopping ended the run.</summary>
    public bool StoppedEarly { get; }

    /// <summary>Step with the lowest evaluation loss; 0 without evaluations.</summary>
    public int BestStep { get; }

    /// <summary>Path of the last checkpoint; null without one.</summary>
    public string? Checkpoint { get; }
}

namespace PeftCore.Training;

/// <summary>Where a run stands after a step.</summary>
/// <param name="Step">Steps taken.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
/// <param name="Epoch">Passes over the data, with fraction.</param>
/// <param name="Loss">Loss of this step.</param>
/// <param name="LearningRate">Learning rate of this step.</param>
/// <param name="GradientNorm">L2 norm of all gradients, before clipping.</param>
/// <param name="TokensPerSecond">Tokens read a second in this step, padding left out.</param>
/// <param name="PeakBytes">The most bytes of tensors that lived at once so far.</param>
/// <param name="Elapsed">Time of the whole run, that before a resumption included.</param>
/// <param name="TimeLeft">What the remaining steps will take at the pace since the start or resumption.</param>
public readonly record struct TrainingProgress(int Step, int TotalSteps, double Epoch, double Loss, double LearningRate,
    double GradientNorm,
    double TokensPerSecond, long PeakBytes, TimeSpan Elapsed, TimeSpan TimeLeft);

/// <summary>An evaluation during a run.</summary>
/// <param name="Step">Steps taken.</param>
/// <param name="Result">What was measured.</param>
/// <param name="IsBest">Whether no evaluation of this run was better.</param>
public readonly record struct TrainingEvaluation(int Step, EvaluationResult Result, bool IsBest);

/// <summary>How a run ended.</summary>
/// <param name="Steps">Steps taken, those before a resumption included.</param>
/// <param name="TrainLoss">Mean of the steps' losses.</param>
/// <param name="EvalLoss">Evaluation loss of the parameters the run ended with; null without evaluation data or when interrupted before
/// any.</param>
/// <param name="TokensPerSecond">Tokens read a second of training steps.</param>
/// <param name="PeakBytes">The most bytes of tensors that lived at once.</param>
/// <param name="Elapsed">Time of the whole run, that before a resumption included.</param>
/// <param name="Interrupted">Stopped from outside; with an output directory a checkpoint was made to go on from.</param>
/// <param name="StoppedEarly">Stopped because the evaluation loss fell no more.</param>
/// <param name="BestStep">Step with the lowest evaluation loss; 0 without evaluations.</param>
/// <param name="Checkpoint">The last checkpoint made; null if none was.</param>
public sealed record TrainingResult(int Steps, double TrainLoss, double? EvalLoss, double TokensPerSecond, long PeakBytes, TimeSpan Elapsed,
    bool Interrupted, bool StoppedEarly, int BestStep, string? Checkpoint);

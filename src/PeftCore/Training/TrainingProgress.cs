namespace PeftCore.Training;

/// <summary>Progress of a run after a step.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
/// <param name="Epoch">Passes over the data, with fraction.</param>
/// <param name="Loss">Loss of this step.</param>
/// <param name="LearningRate">Learning rate of this step.</param>
/// <param name="GradientNorm">L2 norm of all gradients, before clipping.</param>
/// <param name="TokensPerSecond">Tokens read a second in this step, without padding.</param>
/// <param name="PeakBytes">Peak bytes of live tensors so far.</param>
/// <param name="Elapsed">Time of the whole run, including that before a resumption.</param>
/// <param name="TimeLeft">Estimated time of the remaining steps, at the speed since the start or resumption.</param>
public readonly record struct TrainingProgress(int Step, int TotalSteps, double Epoch, double Loss, double LearningRate,
    double GradientNorm,
    double TokensPerSecond, long PeakBytes, TimeSpan Elapsed, TimeSpan TimeLeft);

/// <summary>An evaluation during a run.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Result">Loss and perplexity.</param>
/// <param name="IsBest">Whether no evaluation of this run had a lower loss.</param>
public readonly record struct TrainingEvaluation(int Step, EvaluationResult Result, bool IsBest);

/// <summary>The result of a run.</summary>
/// <param name="Steps">Steps done, those before a resumption included.</param>
/// <param name="TrainLoss">Mean of the steps' losses.</param>
/// <param name="EvalLoss">Evaluation loss of the final parameters; null without evaluation.</param>
/// <param name="TokensPerSecond">Tokens read a second, over the time of the training steps.</param>
/// <param name="PeakBytes">Peak bytes of live tensors.</param>
/// <param name="Elapsed">Time of the whole run, including that before a resumption.</param>
/// <param name="Interrupted">Whether the run was cancelled; with an output directory it wrote a checkpoint to resume from.</param>
/// <param name="StoppedEarly">Whether early stopping ended the run.</param>
/// <param name="BestStep">Step with the lowest evaluation loss; 0 without evaluations.</param>
/// <param name="Checkpoint">Path of the last checkpoint; null without one.</param>
public sealed record TrainingResult(int Steps, double TrainLoss, double? EvalLoss, double TokensPerSecond, long PeakBytes, TimeSpan Elapsed,
    bool Interrupted, bool StoppedEarly, int BestStep, string? Checkpoint);

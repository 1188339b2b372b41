namespace PeftCore.Cli.Output;

/// <summary>Where a training run stands after a step.</summary>
internal readonly record struct TrainingProgress(
    int Step, int TotalSteps, double Loss, double LearningRate, double TokensPerSecond, long PeakBytes, TimeSpan Elapsed);

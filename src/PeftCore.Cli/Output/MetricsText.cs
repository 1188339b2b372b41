using PeftCore.Training;

namespace PeftCore.Cli.Output;

/// <summary>The metrics of an evaluation in words.</summary>
internal static class MetricsText
{
    /// <summary>", accuracy 0.9100, f1 0.9050"; empty for a task without metrics.</summary>
    public static string Of(EvaluationResult result) => string.Concat(result.Metrics.Select(metric =>
        FormattableString.Invariant($", {metric.Key.Replace('_', ' ')} {metric.Value:0.0000}")));
}

using PeftCore.Models;
using PeftCore.Training;

namespace PeftCore.Cli.Output;

/// <summary>The metrics of an evaluation in words.</summary>
internal static class MetricsText
{
    /// <summary>", perplexity 12.30" for a model that predicts tokens, and ", accuracy 0.9100, f1 0.9050" for a task with
    /// metrics.</summary>
    public static string Of(EvaluationResult result) => PerplexityText.Of(result) + string.Concat(Defined(result).Select(metric =>
        FormattableString.Invariant($", {metric.Key.Replace('_', ' ')} {metric.Value:0.0000}")));

    /// <summary>"accuracy 0.9100 (step 40)", for the line of progress; null for a task without metrics.</summary>
    /// <param name="evaluation">The last evaluation.</param>
    /// <param name="preferred">The metric to show; null, or one that there is not, for the first.</param>
    public static string? Short(TrainingEvaluation evaluation, string? preferred)
    {
        var all = Defined(evaluation.Result).ToList();
        var shown = all.Find(metric => metric.Key == preferred) is { Key: not null } asked ? asked : all.FirstOrDefault();
        return shown.Key is null ? null
            : FormattableString.Invariant($"{shown.Key.Replace('_', ' ')} {shown.Value:0.0000} (step {evaluation.Step})");
    }

    /// <summary>The metrics that are numbers: a correlation with a constant is none.</summary>
    public static IEnumerable<KeyValuePair<string, double>> Defined(EvaluationResult result) =>
        result.Metrics.Where(metric => double.IsFinite(metric.Value));

    /// <summary>A note about metrics without a value; null if all have one.</summary>
    public static string? Note(EvaluationResult result) => result.Metrics.Count == Defined(result).Count() ? null
        : $"{string.Join(" and ", result.Metrics.Keys.Except(Defined(result).Select(metric => metric.Key)))} cannot be computed: all "
            + "predicted or all given numbers are the same.";

    /// <summary>What the targets of a task are.</summary>
    public static string TargetsOf(ModelTask task) => task switch
    {
        ModelTask.SequenceClassification => "texts",
        ModelTask.TokenClassification => "tags",
        ModelTask.QuestionAnswering => "ends of answers",
        ModelTask.FeatureExtraction => "pairs of texts",
        ModelTask.ImageClassification => "pictures",
        ModelTask.NoisePrediction => "pictures with noise",
        ModelTask.Contrastive => "pictures with texts",
        ModelTask.Ctc => "recordings",
        _ => "tokens",
    };
}

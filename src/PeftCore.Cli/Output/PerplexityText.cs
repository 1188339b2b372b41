using System.Globalization;
using PeftCore.Training;

namespace PeftCore.Cli.Output;

/// <summary>The text of a perplexity. exp(loss) overflows a double above a loss of 709; the largest double replaces it.</summary>
internal static class PerplexityText
{
    /// <summary>", perplexity 12.30"; empty for a task without one.</summary>
    public static string Of(EvaluationResult result) => result.Perplexity is not { } perplexity ? ""
        : ", perplexity " + (perplexity < 1e15 ? perplexity.ToString("0.00", CultureInfo.InvariantCulture)
            : (Overflows(result) ? "over " : "") + perplexity.ToString("0.0e+0", CultureInfo.InvariantCulture));

    /// <summary>A note if the number is not the perplexity itself; otherwise null.</summary>
    public static string? Note(EvaluationResult result) => Overflows(result)
        ? "the perplexity, e to the loss, is more than a double holds; 1.8e308, the largest there is, stands for it." : null;

    private static bool Overflows(EvaluationResult result) => result.Perplexity >= double.MaxValue;
}

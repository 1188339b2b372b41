namespace PeftCore.Training.Metrics;

/// <summary>Scores of predicted classes, equal to scikit-learn's. A division by zero gives 0.</summary>
internal static class ClassScores
{
    /// <summary>Fraction of the predictions that are correct.</summary>
    public static double Accuracy<T>(IReadOnlyList<T> predictions, IReadOnlyList<T> correct)
        where T : notnull
    {
        Check(predictions.Count, correct.Count);
        return (double)predictions.Where((prediction, i) => prediction.Equals(correct[i])).Count() / correct.Count;
    }

    /// <summary>F1 of one class: 2·hits / (predicted + correct), the harmonic mean of precision and recall.</summary>
    public static double BinaryF1(IReadOnlyList<int> predictions, IReadOnlyList<int> correct, int positive = 1)
    {
        Check(predictions.Count, correct.Count);
        return CountsOf(positive, predictions, correct).F1;
    }

    /// <summary>Mean of the F1 of all classes that are correct or predicted for some sample.</summary>
    public static double MacroF1(IReadOnlyList<int> predictions, IReadOnlyList<int> correct) =>
        All(predictions, correct).Average(c => c.F1);

    /// <summary>Mean of the F1 of the classes, each weighted by the number of its samples.</summary>
    public static double WeightedF1(IReadOnlyList<int> predictions, IReadOnlyList<int> correct) =>
        All(predictions, correct).Sum(c => c.F1 * c.Correct) / correct.Count;

    /// <summary>F1 of the hits, predictions and samples of all classes together; where each sample has one class, the accuracy.</summary>
    public static double MicroF1(IReadOnlyList<int> predictions, IReadOnlyList<int> correct)
    {
        var counts = All(predictions, correct);
        return new Counts(counts.Sum(c => c.Hits), counts.Sum(c => c.Predicted), counts.Sum(c => c.Correct)).F1;
    }

    /// <summary>Matthews' correlation of predicted and correct classes, between −1 and 1; for several classes R_K (Gorodkin
    /// 2004).</summary>
    public static double Matthews(IReadOnlyList<int> predictions, IReadOnlyList<int> correct)
    {
        var counts = All(predictions, correct);
        double samples = correct.Count, hits = counts.Sum(c => c.Hits);
        double both = hits * samples - counts.Sum(c => (double)c.Predicted * c.Correct);
        double predicted = samples * samples - counts.Sum(c => (double)c.Predicted * c.Predicted);
        double real = samples * samples - counts.Sum(c => (double)c.Correct * c.Correct);
        return predicted * real == 0 ? 0 : both / Math.Sqrt(predicted * real);
    }

    private static List<Counts> All(IReadOnlyList<int> predictions, IReadOnlyList<int> correct)
    {
        Check(predictions.Count, correct.Count);
        return [.. predictions.Union(correct).Select(c => CountsOf(c, predictions, correct))];
    }

    private static Counts CountsOf(int c, IReadOnlyList<int> predictions, IReadOnlyList<int> correct) => new(
        predictions.Where((prediction, i) => prediction == c && correct[i] == c).Count(), predictions.Count(p => p == c),
        correct.Count(label => label == c));

    /// <summary>Refuses no samples, and predictions of another number than samples.</summary>
    internal static void Check(int predictions, int correct)
    {
        if (predictions != correct || correct == 0)
        {
            throw new ArgumentException($"There are {predictions} predictions for {correct} samples; expected one each, and at least one.",
                nameof(predictions));
        }
    }

    /// <param name="Hits">Samples of the class that are predicted as such.</param>
    /// <param name="Predicted">Samples that are predicted as the class.</param>
    /// <param name="Correct">Samples of the class.</param>
    private readonly record struct Counts(int Hits, int Predicted, int Correct)
    {
        public double F1 => Predicted + Correct == 0 ? 0 : 2.0 * Hits / (Predicted + Correct);
    }
}

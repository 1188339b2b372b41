namespace PeftCore.Training.Metrics;

/// <summary>Correlations of predicted and correct numbers, equal to SciPy's; NaN if one of the two is constant.</summary>
internal static class Correlation
{
    /// <summary>Pearson's: the covariance divided by both standard deviations.</summary>
    public static double Pearson(IReadOnlyList<double> predictions, IReadOnlyList<double> correct)
    {
        ClassScores.Check(predictions.Count, correct.Count);
        double meanX = predictions.Average(), meanY = correct.Average(), xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < correct.Count; i++)
        {
            double x = predictions[i] - meanX, y = correct[i] - meanY;
            (xy, xx, yy) = (xy + x * y, xx + x * x, yy + y * y);
        }
        return xx == 0 || yy == 0 ? double.NaN : Math.Clamp(xy / Math.Sqrt(xx * yy), -1, 1);
    }

    /// <summary>Spearman's: Pearson's of the ranks. Equal numbers share the mean of their ranks.</summary>
    public static double Spearman(IReadOnlyList<double> predictions, IReadOnlyList<double> correct) =>
        Pearson(RanksOf(predictions), RanksOf(correct));

    /// <summary>Mean of the squared differences.</summary>
    public static double MeanSquaredError(IReadOnlyList<double> predictions, IReadOnlyList<double> correct)
    {
        ClassScores.Check(predictions.Count, correct.Count);
        return predictions.Zip(correct, (x, y) => (x - y) * (x - y)).Average();
    }

    private static double[] RanksOf(IReadOnlyList<double> numbers)
    {
        int[] order = [.. Enumerable.Range(0, numbers.Count).OrderBy(i => numbers[i])];
        double[] ranks = new double[numbers.Count];
        for (int first = 0, end; first < order.Length; first = end)
        {
            end = first + 1;
            while (end < order.Length && numbers[order[end]] == numbers[order[first]])
            {
                end++;
            }
            foreach (int i in order.AsSpan(first, end - first))
            {
                ranks[i] = (first + end - 1) / 2.0;
            }
        }
        return ranks;
    }
}

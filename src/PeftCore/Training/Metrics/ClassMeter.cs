using PeftCore.Data;

namespace PeftCore.Training.Metrics;

/// <summary>Accuracy, macro F1 and Matthews' correlation of classes; for numbers to predict, correlations and the squared error.</summary>
internal sealed class ClassMeter : TaskMeter
{
    private readonly List<int> _predicted = [];
    private readonly List<int> _correct = [];
    private readonly List<double> _predictedNumbers = [];
    private readonly List<double> _correctNumbers = [];

    /// <summary>The metrics of classes.</summary>
    public static IReadOnlyList<string> Names => ["accuracy", "f1", "matthews_correlation"];

    /// <summary>The metrics of numbers.</summary>
    public static IReadOnlyList<string> NumberNames => ["pearson", "spearmanr", "mse"];

    public override void Add(Batch batch, float[] logits)
    {
        int classes = logits.Length / batch.BatchSize;
        for (int row = 0; row < batch.BatchSize; row++)
        {
            var scores = logits.AsSpan(row * classes, classes);
            if (batch.Scores is { } numbers)
            {
                _predictedNumbers.Add(scores[0]);
                _correctNumbers.Add(numbers[row]);
            }
            else
            {
                _predicted.Add(ArgMax(scores));
                _correct.Add(batch.ClassLabels[row]);
            }
        }
    }

    public override int[][]? Confusion(int classes)
    {
        if (_correct.Count == 0)
        {
            return null;
        }
        int[][] counts = [.. Enumerable.Range(0, classes).Select(_ => new int[classes])];
        foreach (var (correct, predicted) in _correct.Zip(_predicted))
        {
            counts[correct][predicted]++;
        }
        return counts;
    }

    public override Dictionary<string, double> Scores() => _correct.Count > 0
        ? new()
        {
            ["accuracy"] = ClassScores.Accuracy(_predicted, _correct),
            ["f1"] = ClassScores.MacroF1(_predicted, _correct),
            ["matthews_correlation"] = ClassScores.Matthews(_predicted, _correct),
        }
        : new()
        {
            ["pearson"] = Correlation.Pearson(_predictedNumbers, _correctNumbers),
            ["spearmanr"] = Correlation.Spearman(_predictedNumbers, _correctNumbers),
            ["mse"] = Correlation.MeanSquaredError(_predictedNumbers, _correctNumbers),
        };
}

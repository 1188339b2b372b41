using PeftCore.Data;

namespace PeftCore.Training.Metrics;

/// <summary>F1 and exact match of texts that may have several classes, equal to scikit-learn's f1_score and accuracy_score on indicator
/// matrices. A class is predicted if its probability σ(x) is above ½. A division by zero gives 0.</summary>
internal sealed class MultiLabelMeter : TaskMeter
{
    private long[] _hits = []; // by class
    private long[] _predicted = [];
    private long[] _correct = [];
    private long _texts;
    private long _equal;

    /// <summary>The metrics: F1 over all classes together, its mean over the classes, the fraction of texts without any error.</summary>
    public static IReadOnlyList<string> Names => ["micro_f1", "macro_f1", "exact_match"];

    public override void Add(Batch batch, float[] logits)
    {
        float[] flags = batch.Scores ?? throw new ArgumentException("The batch has no classes.", nameof(batch));
        int classes = flags.Length / batch.BatchSize;
        if (_hits.Length == 0)
        {
            (_hits, _predicted, _correct) = (new long[classes], new long[classes], new long[classes]);
        }
        for (int row = 0; row < batch.BatchSize; row++)
        {
            bool equal = true;
            for (int c = 0; c < classes; c++)
            {
                bool predicted = logits[row * classes + c] > 0, correct = flags[row * classes + c] > 0;
                _hits[c] += predicted && correct ? 1 : 0;
                _predicted[c] += predicted ? 1 : 0;
                _correct[c] += correct ? 1 : 0;
                equal &= predicted == correct;
            }
            _texts++;
            _equal += equal ? 1 : 0;
        }
    }

    public override Dictionary<string, double> Scores() => new()
    {
        ["micro_f1"] = F1(_hits.Sum(), _predicted.Sum(), _correct.Sum()),
        ["macro_f1"] = Enumerable.Range(0, _hits.Length).Average(c => F1(_hits[c], _predicted[c], _correct[c])),
        ["exact_match"] = (double)_equal / _texts,
    };

    private static double F1(long hits, long predicted, long correct) =>
        predicted + correct == 0 ? 0 : 2.0 * hits / (predicted + correct);
}

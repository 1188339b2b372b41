using PeftCore.Data;

namespace PeftCore.Training.Metrics;

/// <summary>Accuracy of tags, and precision, recall and F1 of the entities that they mark, if their names do.</summary>
/// <param name="names">The tags by index.</param>
internal sealed class TagMeter(IReadOnlyList<string> names) : TaskMeter
{
    private readonly List<IReadOnlyList<string>> _predicted = [];
    private readonly List<IReadOnlyList<string>> _correct = [];

    public static IReadOnlyList<string> Names => ["accuracy", "precision", "recall", "f1"];

    public override void Add(Batch batch, float[] logits)
    {
        int length = logits.Length / (batch.BatchSize * names.Count), before = length - batch.Length;
        for (int row = 0; row < batch.BatchSize; row++)
        {
            List<string> predicted = [], correct = [];
            for (int t = 0; t < batch.Length; t++)
            {
                // The first token of a word has its tag.
                if (batch.Labels[row * batch.Length + t] is var tag && tag != Example.Masked)
                {
                    predicted.Add(names[ArgMax(logits.AsSpan((row * length + before + t) * names.Count, names.Count))]);
                    correct.Add(names[tag]);
                }
            }
            if (correct.Count > 0)
            {
                _predicted.Add(predicted);
                _correct.Add(correct);
            }
        }
    }

    public override Dictionary<string, double> Scores()
    {
        string[] predicted = [.. _predicted.SelectMany(tags => tags)], correct = [.. _correct.SelectMany(tags => tags)];
        var scores = new Dictionary<string, double> { ["accuracy"] = ClassScores.Accuracy(predicted, correct) };
        if (EntityScore.MarkEntities(names))
        {
            var entities = EntityScore.Of(_predicted, _correct);
            (scores["precision"], scores["recall"], scores["f1"]) = (entities.Precision, entities.Recall, entities.F1);
        }
        return scores;
    }
}

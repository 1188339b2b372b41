using PeftCore.Data;
using PeftCore.Models;

namespace PeftCore.Training.Metrics;

/// <summary>Collects the predictions of an evaluation, and computes the metrics of the model's task from them.</summary>
internal abstract class TaskMeter
{
    /// <summary>The metrics of a task besides the loss; empty for a task whose predictions are not collected.</summary>
    public static IReadOnlyList<string> NamesOf(ModelTask task) => task switch
    {
        ModelTask.SequenceClassification or ModelTask.ImageClassification =>
            [.. ClassMeter.Names, .. ClassMeter.NumberNames, .. MultiLabelMeter.Names],
        ModelTask.TokenClassification => TagMeter.Names,
        ModelTask.QuestionAnswering => AnswerMeter.Names,
        ModelTask.Seq2SeqLm => TargetMeter.Names,
        ModelTask.Ctc => TranscriptMeter.Names,
        ModelTask.Contrastive => RetrievalMeter.Names,
        _ => [],
    };

    /// <summary>Whether a metric is better if it is lower.</summary>
    public static bool IsLowerBetter(string metric) => metric is "loss" or "mse" or "wer" or "cer";

    /// <summary>The meter of a model; null if its task has no metrics.</summary>
    public static TaskMeter? Of(TransformerModel model) => model.Task switch
    {
        ModelTask.SequenceClassification or ModelTask.ImageClassification when model.ProblemType == Problems.MultiLabel =>
            new MultiLabelMeter(),
        ModelTask.SequenceClassification or ModelTask.ImageClassification => new ClassMeter(),
        ModelTask.TokenClassification => new TagMeter(model.Labels),
        ModelTask.QuestionAnswering => new AnswerMeter(),
        ModelTask.Seq2SeqLm => new TargetMeter(model),
        ModelTask.Contrastive => new RetrievalMeter(model),
        ModelTask.Ctc when model is Wav2Vec2 waves => new TranscriptMeter(waves),
        _ => null,
    };

    /// <summary>Whether the predictions are in the logits; otherwise the meter computes them itself.</summary>
    public virtual bool ReadsLogits => true;

    /// <summary>Adds the predictions of a batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="logits">The logits of the model; empty if it reads none. Rows of virtual tokens, which come first, are left
    /// out.</param>
    public abstract void Add(Batch batch, float[] logits);

    /// <summary>The metrics of all batches by name.</summary>
    public abstract Dictionary<string, double> Scores();

    /// <summary>(classes, classes): samples of each class that were predicted as each; null without single classes.</summary>
    public virtual int[][]? Confusion(int classes) => null;

    /// <summary>Index of the largest number.</summary>
    private protected static int ArgMax(ReadOnlySpan<float> row)
    {
        int best = 0;
        for (int i = 1; i < row.Length; i++)
        {
            best = row[i] > row[best] ? i : best;
        }
        return best;
    }
}

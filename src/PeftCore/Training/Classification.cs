using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Nn;
using PeftCore.Tensors;
using PeftCore.Training.Metrics;

namespace PeftCore.Training;

/// <summary>A text, followed once by each possible label.</summary>
public sealed class LabelledSample
{
    internal LabelledSample(IReadOnlyList<Example> candidates, int correct) => (Candidates, Correct) = (candidates, correct);

    /// <summary>One sample a class, its label's tokens learned and all others masked.</summary>
    internal IReadOnlyList<Example> Candidates { get; }

    /// <summary>Index of the sample's class.</summary>
    internal int Correct { get; }
}

/// <summary>The result of a classification.</summary>
public sealed class ClassificationResult
{
    internal ClassificationResult(double accuracy, double macroF1, IReadOnlyList<int> predictions) =>
        (Accuracy, MacroF1, Predictions) = (accuracy, macroF1, predictions);

    /// <summary>Fraction of the samples whose predicted class is correct.</summary>
    public double Accuracy { get; }

    /// <summary>Mean over the classes of the harmonic mean of precision and recall.</summary>
    public double MacroF1 { get; }

    /// <summary>The predicted class of each sample.</summary>
    internal IReadOnlyList<int> Predictions { get; }
}

/// <summary>Classification with a language model: the predicted class is the label with the highest log-probability, summed over its
/// tokens.</summary>
public static class Classification
{
    /// <summary>Encodes each text with each label, in the format of the training data.</summary>
    /// <param name="encoder">Encodes as for training, with prompts masked.</param>
    /// <param name="rows">Labelled rows.</param>
    /// <param name="labels">The classes.</param>
    /// <exception cref="BadInputException">A row has no label, or one that is not in the map.</exception>
    public static List<LabelledSample> Encode(ExampleEncoder encoder, IReadOnlyList<DataRow> rows, LabelMap labels)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        Given.Items(rows);
        ArgumentNullException.ThrowIfNull(labels);
        var samples = new List<LabelledSample>(rows.Count);
        foreach (var row in rows)
        {
            var labelled = LabelMap.Labelled(row);
            samples.Add(new LabelledSample([.. labels.Names.Select(name => encoder.Encode([labelled with { Label = name }])[0])],
                labels.IdOf(labelled)));
        }
        return samples;
    }

    /// <summary>Scores every label of every sample. The common prefix of a sample's candidates is computed once and kept in the KV
    /// cache.</summary>
    /// <param name="model">The model, with its active adapters.</param>
    /// <param name="samples">The samples, at least one.</param>
    /// <param name="cancel">Cancels between two samples.</param>
    /// <param name="kvCacheDType">Dtype of the KV cache: F32 or BF16; null for the device's dtype of activations.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static ClassificationResult Run(TransformerModel model, IReadOnlyList<LabelledSample> samples,
        CancellationToken cancel = default,
        DType? kvCacheDType = null)
    {
        Given.Items(samples);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfZero(samples.Count);
        using var evaluation = new EvalModeScope(model.Mode);
        using var decoder = new CachedDecoder(model, model.Backend,
            samples.Max(s => s.Candidates.Max(c => c.Ids.Length)), kvCacheDType);
        var predictions = new List<int>(samples.Count);
        foreach (var sample in samples)
        {
            cancel.ThrowIfCancellationRequested();
            predictions.Add(Best(decoder, sample.Candidates));
        }
        int[] correct = [.. samples.Select(sample => sample.Correct)];
        return new ClassificationResult(ClassScores.Accuracy(predictions, correct), ClassScores.MacroF1(predictions, correct),
            predictions);
    }

    /// <summary>The most likely tag of each word, from a model for token classification.</summary>
    /// <param name="model">The model, with its active adapters.</param>
    /// <param name="encoder">Encodes words as for training.</param>
    /// <param name="row">The words, with their boxes where the model reads pages; tags are not read.</param>
    /// <returns>The words that have a token and fit into the maximum length.</returns>
    /// <exception cref="BadInputException">The model does not tag words, or the row has none, or not what the model reads.</exception>
    public static IReadOnlyList<(string Word, string Tag, double Probability)> OfWords(TransformerModel model, ExampleEncoder encoder,
        DataRow row)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(row);
        return WordTags.Of(model, encoder, row);
    }

    private static int Best(CachedDecoder decoder, IReadOnlyList<Example> candidates)
    {
        int common = CommonPrefix(candidates);
        decoder.GoBack(0);
        decoder.Task = candidates[0].TaskId;
        float[] first = common > 0 ? decoder.Read(candidates[0].Ids[..common]) : [];
        int best = 0;
        double highest = double.NegativeInfinity;
        for (int i = 0; i < candidates.Count; i++)
        {
            if (decoder.GoBack(common) < common)
            {
                first = decoder.Read(candidates[0].Ids[..common]); // The model's states cannot forget a candidate.
            }
            double score = LogProbability(decoder, candidates[i], common, first);
            if (!double.IsFinite(score))
            {
                throw new BadInputException(DamagedOutput.Sentence);
            }
            if (score > highest)
            {
                (best, highest) = (i, score);
            }
        }
        return best;
    }

    /// <summary>Length of the common prefix of all candidates, without the last token of any.</summary>
    private static int CommonPrefix(IReadOnlyList<Example> candidates)
    {
        var first = candidates[0].Ids.AsSpan();
        int common = candidates.Min(candidate => candidate.Ids.Length) - 1;
        foreach (var candidate in candidates)
        {
            common = Math.Min(common, first.CommonPrefixLength(candidate.Ids));
        }
        return common;
    }

    /// <summary>Log-probability of the label's tokens. Row i of the logits after the common prefix predicts the token after it, as in
    /// <see cref="Models.LabelShift"/>.</summary>
    private static double LogProbability(CachedDecoder decoder, Example candidate, int common, float[] first)
    {
        int[] rest = candidate.Ids[common..^1];
        float[] logits = rest.Length > 0 ? [.. first, .. decoder.ReadAll(rest)] : first;
        int columns = logits.Length / (rest.Length + (common > 0 ? 1 : 0));
        double sum = 0;
        for (int i = Math.Max(1, common); i < candidate.Ids.Length; i++)
        {
            if (candidate.Labels[i] != Example.Masked)
            {
                int row = i - Math.Max(1, common);
                sum += LogSoftmax(logits.AsSpan(row * columns, columns), candidate.Labels[i]);
            }
        }
        return sum;
    }

    private static double LogSoftmax(ReadOnlySpan<float> logits, int token)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
        }
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }
        return logits[token] - largest - Math.Log(sum);
    }
}

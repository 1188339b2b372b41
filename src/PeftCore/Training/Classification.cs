using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A text once with each possible label behind it.</summary>
/// <param name="Candidates">One sample a class, its label's tokens learned and all others masked.</param>
/// <param name="Correct">The number of its class.</param>
public sealed record LabelledSample(IReadOnlyList<Example> Candidates, int Correct);

/// <summary>How well classes were told apart.</summary>
/// <param name="Accuracy">Share of the samples whose class was found.</param>
/// <param name="MacroF1">Mean over the classes of the harmonic mean of precision and recall.</param>
/// <param name="Predictions">The class found for each sample.</param>
public sealed record ClassificationResult(double Accuracy, double MacroF1, IReadOnlyList<int> Predictions);

/// <summary>Classification with a language model: the class is the label that the model would write with the highest probability.</summary>
public static class Classification
{
    /// <summary>Puts each label behind each text, in the form the model was trained on.</summary>
    /// <param name="encoder">Encodes as for training, with prompts masked.</param>
    /// <param name="rows">Labelled rows.</param>
    /// <param name="labels">The classes.</param>
    /// <exception cref="BadInputException">A row has no label, or one that is not in the map.</exception>
    public static List<LabelledSample> Encode(ExampleEncoder encoder, IReadOnlyList<DataRow> rows, LabelMap labels)
    {
        var samples = new List<LabelledSample>(rows.Count);
        foreach (var row in rows)
        {
            var labelled = LabelMap.Labelled(row);
            samples.Add(new LabelledSample([.. labels.Names.Select(name => encoder.Encode([labelled with { Label = name }])[0])],
                labels.IdOf(labelled)));
        }
        return samples;
    }

    /// <summary>Scores every label of every sample. What the labels of a sample have in front of them in common is read once.</summary>
    /// <param name="model">The model, with whatever is attached to it.</param>
    /// <param name="samples">The samples, at least one.</param>
    /// <param name="cancel">Stops between two samples.</param>
    /// <param name="kvCacheDType">How keys and values of what was read are stored: F32 or BF16; null for how the device stores
    /// activations.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static ClassificationResult Run(CausalModel model, IReadOnlyList<LabelledSample> samples, CancellationToken cancel = default,
        DType? kvCacheDType = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(samples.Count);
        bool training = model.Mode.Training;
        model.Mode.Training = false;
        try
        {
            using var decoder = new CachedDecoder(model, model.Backend,
                samples.Max(s => s.Candidates.Max(c => c.Ids.Length)), kvCacheDType);
            var predictions = new List<int>(samples.Count);
            foreach (var sample in samples)
            {
                cancel.ThrowIfCancellationRequested();
                predictions.Add(Best(decoder, sample.Candidates));
            }
            int[] correct = [.. samples.Select(sample => sample.Correct)];
            double accuracy = (double)predictions.Zip(correct).Count(pair => pair.First == pair.Second) / samples.Count;
            return new ClassificationResult(accuracy, MacroF1(predictions, correct), predictions);
        }
        finally
        {
            model.Mode.Training = training;
        }
    }

    /// <summary>Mean of the classes' F1 scores, over classes that occur or were found.</summary>
    internal static double MacroF1(IReadOnlyList<int> predictions, IReadOnlyList<int> correct)
    {
        var classes = predictions.Union(correct).ToList();
        return classes.Average(c =>
        {
            int hits = predictions.Zip(correct).Count(pair => pair.First == c && pair.Second == c);
            return 2.0 * hits / (predictions.Count(p => p == c) + correct.Count(p => p == c));
        });
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
            decoder.GoBack(common);
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

    /// <summary>Tokens all candidates begin with, short of the last token of each.</summary>
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

    /// <summary>Log-probability of the learned tokens behind the common prefix.</summary>
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

using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;

namespace PeftCore.Training.Metrics;

/// <summary>The fraction of the target texts that an encoder-decoder writes as they are, token by token: the accuracy of generated labels.
/// It is measured only if no target is longer than a label, because writing costs as many passes as a target has tokens.</summary>
internal sealed class TargetMeter(TransformerModel model) : TaskMeter
{
    /// <summary>Tokens of the longest label.</summary>
    private const int MostTokens = 32;

    private int _texts;
    private int _equal;
    private bool _isTooLong;

    /// <summary>The metrics of targets.</summary>
    public static IReadOnlyList<string> Names => ["accuracy"];

    public override bool ReadsLogits => false;

    public override void Add(Batch batch, float[] logits)
    {
        _isTooLong |= batch.TargetLength > MostTokens;
        if (_isTooLong)
        {
            return;
        }
        var (sources, targets) = (new int[batch.BatchSize][], new int[batch.BatchSize][]);
        for (int row = 0; row < batch.BatchSize; row++)
        {
            sources[row] = [.. batch.InputIds.AsSpan(row * batch.Length, batch.Lengths[row])];
            targets[row] = [.. batch.DecoderLabels.AsSpan(row * batch.TargetLength, batch.TargetLength).ToArray()
                .Where(token => token != Example.Masked)];
        }
        var options = new GenerationOptions
        {
            MaxNewTokens = batch.TargetLength,
            StopTokens = [.. targets.Select(target => target[^1]).Distinct()],
        };
        var texts = new BatchGenerator(model, model.Backend, batch.BatchSize).Generate(sources, options);
        _texts += batch.BatchSize;
        _equal += texts.Zip(targets).Count(pair => pair.First.Tokens.SequenceEqual(pair.Second));
    }

    public override Dictionary<string, double> Scores() =>
        _isTooLong || _texts == 0 ? [] : new() { ["accuracy"] = (double)_equal / _texts };
}

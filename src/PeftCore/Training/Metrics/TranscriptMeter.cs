using PeftCore.Data;
using PeftCore.Models;

namespace PeftCore.Training.Metrics;

/// <summary>Error rates of what a CTC model hears, symbol by symbol: a symbol counts as a character, and the word error rate is known where
/// the vocabulary has a symbol between words.</summary>
internal sealed class TranscriptMeter(Wav2Vec2 model) : TaskMeter
{
    private readonly List<string> _texts = [];
    private readonly List<string> _references = [];
    private bool _hasWords = true;

    public static IReadOnlyList<string> Names => ["wer", "cer"];

    public override void Add(Batch batch, float[] logits)
    {
        int rows = batch.BatchSize, each = logits.Length / rows, classes = model.OutputLayer!.Outputs;
        _hasWords &= batch.WordDelimiter is not null;
        for (int row = 0; row < rows; row++)
        {
            int frames = batch.Sound is { MarksPadding: true } sound ? model.FramesOf(sound.Lengths[row]) : each / classes;
            _texts.Add(Text(CtcDecoding.Greedy(logits.AsSpan(row * each, frames * classes), classes, model.Blank), batch.WordDelimiter));
            int[] labels = [.. batch.DecoderLabels.AsSpan(row * batch.TargetLength, batch.TargetLength).ToArray()
                .Where(label => label != Example.Masked)];
            _references.Add(Text(labels, batch.WordDelimiter));
        }
    }

    public override Dictionary<string, double> Scores()
    {
        var scores = ErrorRate.Of(_texts, _references);
        if (!_hasWords)
        {
            scores.Remove("wer");
        }
        return scores;
    }

    // Each symbol as a character of a private-use plane, so that it is no white space but where it separates words.
    private static string Text(int[] labels, int? delimiter) =>
        string.Concat(labels.Select(label => label == delimiter ? " " : char.ConvertFromUtf32(0xF0000 + label % 0xFFFE)));
}

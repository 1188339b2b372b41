using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Training.Metrics;

/// <summary>Word and character error rate of the transcripts that a model of speech writes for encoded recordings.</summary>
internal static class TranscriptScores
{
    public static Dictionary<string, double> Of(TransformerModel model, IReadOnlyList<Example> examples, Tokenizer tokenizer,
        GenerationOptions options, int batchSize, CancellationToken cancel)
    {
        var collator = new Collator(padId: 0);
        List<string> texts = [], references = [];
        foreach (var chunk in examples.Chunk(batchSize))
        {
            cancel.ThrowIfCancellationRequested();
            using var scope = new TensorScope();
            if (Array.Exists(chunk, example => example.Sound is null || example.TargetIds is null))
            {
                throw new BadInputException("an example has no recording, or no transcript to compare with; encode data for this model");
            }
            var batch = collator.Collate(chunk);
            if (model is Wav2Vec2 waves)
            {
                texts.AddRange(Transcriber.Labels(waves, batch.ToInputs(model), options.NumBeams)
                    .Select(labels => Transcriber.TextOf(tokenizer, labels, waves.Blank)));
                references.AddRange(chunk.Select(example => Transcriber.TextOf(tokenizer, example.TargetIds, waves.Blank)));
                continue;
            }
            var writer = new SpeechWriter(Seq2SeqModel.Of(model), new SpeechPrompt(), tokenizer, options);
            DenseArray[] clips = [.. chunk.Select((_, row) => batch.Sound!.Row(row).Array)];
            var results = writer.Write(clips, [.. chunk.Select(example => example.TargetIds![..example.GivenTargets])], timestamps: false,
                cancel);
            cancel.ThrowIfCancellationRequested();
            texts.AddRange(results.Select(result => tokenizer.Decode([.. result.Tokens]).Trim()));
            references.AddRange(chunk.Select(example => tokenizer.Decode(example.TargetIds.AsSpan(example.GivenTargets)).Trim()));
        }
        return ErrorRate.Of(texts, references);
    }
}

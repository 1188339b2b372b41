using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;
using PeftCore.Tests.Models.Audio;

namespace PeftCore.Tests.Models.Generation;

/// <summary>Whisper's texts with cached keys are those of whole passes.</summary>
public sealed class SpeechGenerationTests
{
    [Test]
    public void Texts_of_several_recordings_are_the_likeliest_tokens_of_whole_passes()
    {
        using var cpu = new CpuBackend(1);
        using var scope = new TensorScope();
        var model = Seq2SeqModel.Of(TinySpeech.Load("whisper", cpu));
        var batch = TinySpeech.BatchOf(model, 0, 1, 1);
        int[] prompt = [model.DecoderStartToken, 7, 9];
        var options = new GenerationOptions { MaxNewTokens = 6, SuppressTokens = [3, 40], BeginSuppressTokens = [11] };
        TextRequest[] requests = [.. Enumerable.Range(0, 2)
            .Select(row => new TextRequest(prompt, options, 20) { Sound = batch.Sound!.Row(row).Array })];
        var texts = Generator.Run(model, cpu, requests, default);
        for (int row = 0; row < 2; row++)
        {
            Assert.That(texts[row].Tokens, Is.EqualTo(Greedy(model, batch.Sound!.Row(row).Array, prompt, options)), $"recording {row}");
        }
        model.Dispose();
    }

    private static List<int> Greedy(Seq2SeqModel model, DenseArray sound, int[] prompt, GenerationOptions options)
    {
        List<int> tokens = [.. prompt];
        while (tokens.Count < prompt.Length + options.MaxNewTokens)
        {
            using var scope = new TensorScope();
            // The decoder reads the labels one place later, after its start token.
            var arrays = new InputArrays { BatchSize = 1, Sound = sound, Labels = [.. tokens.Skip(1), 5] };
            float[] logits = model.Logits(model.ToInputs(arrays)).ToFloats();
            var last = logits.AsSpan(logits.Length - model.VocabularySize);
            foreach (int token in options.SuppressTokens.Concat(tokens.Count == prompt.Length ? options.BeginSuppressTokens : []))
            {
                last[token] = float.NegativeInfinity;
            }
            tokens.Add(System.Numerics.Tensors.TensorPrimitives.IndexOfMax(last));
        }
        return tokens[prompt.Length..];
    }
}

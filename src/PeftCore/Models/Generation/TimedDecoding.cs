using System.Diagnostics;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>The shape of a decoding benchmark.</summary>
/// <param name="Batch">Sequences of the batch.</param>
/// <param name="PromptLength">Tokens of each prompt.</param>
/// <param name="NewTokens">New tokens of each, at least one.</param>
/// <param name="CacheDType">Dtype of the KV cache; null for the device's dtype of activations.</param>
/// <param name="Seed">Seed of the prompts.</param>
internal sealed record DecodingShape(int Batch, int PromptLength, int NewTokens, DType? CacheDType = null, ulong Seed = 0);

/// <summary>Times greedy decoding after random prompts. A plan runs the same code on a backend without data.</summary>
/// <param name="FirstToken">Seconds until the first token of every sequence.</param>
/// <param name="Steps">Seconds of each later step, one token of every sequence.</param>
/// <param name="CacheBytes">Bytes of the KV cache.</param>
/// <param name="CacheDType">Its dtype.</param>
internal sealed record TimedDecoding(double FirstToken, IReadOnlyList<double> Steps, long CacheBytes, DType CacheDType)
{
    public static TimedDecoding Run(CausalModel model, IBackend backend, DecodingShape shape, CancellationToken cancel = default)
    {
        bool training = model.Mode.Training;
        model.Mode.Training = false;
        try
        {
            using var decoder = new CachedDecoder(model, backend, shape.PromptLength + shape.NewTokens, shape.CacheDType, shape.Batch);
            float[] logits = new float[shape.Batch * model.VocabularySize];
            int[] prompts = Prompts(shape, model.VocabularySize), last = new int[shape.Batch];
            double first = Step(decoder, prompts, logits, last);
            var steps = new List<double>(shape.NewTokens);
            for (int i = 1; i < shape.NewTokens; i++)
            {
                cancel.ThrowIfCancellationRequested();
                steps.Add(Step(decoder, last, logits, last));
            }
            return new TimedDecoding(first, steps, decoder.CacheBytes, decoder.CacheDType);
        }
        finally
        {
            model.Mode.Training = training;
        }
    }

    private static double Step(CachedDecoder decoder, int[] ids, float[] logits, int[] chosen)
    {
        long start = Stopwatch.GetTimestamp();
        decoder.Read(ids, logits);
        int vocabulary = logits.Length / chosen.Length;
        for (int b = 0; b < chosen.Length; b++)
        {
            chosen[b] = TokenChooser.Likeliest(logits.AsSpan(b * vocabulary, vocabulary));
        }
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static int[] Prompts(DecodingShape shape, int vocabulary)
    {
        int[] ids = new int[shape.Batch * shape.PromptLength];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = (int)(Philox.Next(shape.Seed, 0, (ulong)i).X % (uint)vocabulary);
        }
        return ids;
    }
}

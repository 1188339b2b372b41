using System.Diagnostics;
using System.Numerics.Tensors;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;

namespace PeftCore.Cli.Session;

/// <summary>The sizes of one run of <c>bench generate</c>.</summary>
/// <param name="Batch">Batch size.</param>
/// <param name="PromptLength">Tokens of each prompt.</param>
/// <param name="NewTokens">Tokens generated after it, at least one.</param>
/// <param name="CacheDType">The type of the cached keys and values; null for the type of the device's activations.</param>
/// <param name="Seed">Seed of the random prompts.</param>
internal sealed record DecodingShape(int Batch, int PromptLength, int NewTokens, DType? CacheDType = null, ulong Seed = 0);

/// <summary>The times of greedy decoding: prefill of random prompts, then decoding token by token. On the meta backend the same code gives
/// the memory plan.</summary>
/// <param name="FirstToken">Seconds until the first token of every sequence: prefill and sampling.</param>
/// <param name="Steps">Seconds of each later decoding step of one token per sequence.</param>
/// <param name="CacheBytes">Bytes of the KV cache.</param>
/// <param name="CacheDType">Dtype of the KV cache.</param>
internal sealed record TimedDecoding(double FirstToken, IReadOnlyList<double> Steps, long CacheBytes, DType CacheDType)
{
    public static TimedDecoding Run(TransformerModel model, Backend backend, DecodingShape shape, CancellationToken cancel = default)
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
            chosen[b] = TensorPrimitives.IndexOfMax(logits.AsSpan(b * vocabulary, vocabulary));
        }
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Random token ids, (batch, prompt length).</summary>
    public static int[] Prompts(DecodingShape shape, int vocabulary)
    {
        var random = new Random((int)shape.Seed);
        int[] ids = new int[shape.Batch * shape.PromptLength];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = random.Next(vocabulary);
        }
        return ids;
    }
}

using System.Diagnostics;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Cli.Session;

/// <summary>The rates of a batch of requests after their prompts are read: all of one LoRA adapter, of several, and one request after the
/// other.</summary>
/// <param name="OneAdapter">New tokens a second of a batch whose requests share an adapter.</param>
/// <param name="Mixed">Of a batch whose requests have the adapters in turn.</param>
/// <param name="OneByOne">Of the same requests one after the other.</param>
internal sealed record TimedBatching(double OneAdapter, double Mixed, double OneByOne)
{
    private const int Rank = 8;

    /// <summary>Attaches LoRA adapters of rank 8 on all linear layers; their values do not matter for times.</summary>
    public static string[] Attach(PeftModel model, int count)
    {
        string[] names = [.. Enumerable.Range(0, count).Select(i => $"lora{i}")];
        foreach (string name in names)
        {
            model.AddAdapter(new LoraConfig { Rank = Rank, TargetModules = ModuleSelector.Matching(ModuleSelector.AllLinear) }, name);
        }
        model.Freeze();
        return names;
    }

    /// <summary>Times all three, in turn.</summary>
    public static TimedBatching Run(PeftModel model, string[] adapters, Backends.Backend backend, DecodingShape shape,
        CancellationToken cancel)
    {
        using var batcher = new ContinuousBatcher(model, null, shape.Batch, shape.Batch,
            shape.PromptLength + shape.NewTokens + model.Base.VirtualTokenCount, long.MaxValue, shape.CacheDType);
        var options = new GenerationOptions { MaxNewTokens = shape.NewTokens };
        int[] prompts = TimedDecoding.Prompts(shape, model.Base.VocabularySize);
        double one = Batch(_ => adapters[0]), mixed = Batch(row => adapters[row % adapters.Length]), alone = 0;
        var generator = new Generator(model.Base, backend);
        for (int row = 0; row < shape.Batch; row++)
        {
            var times = new TokenTimes(1);
            generator.Generate(PromptOf(row).Span, options, onToken: (_, _) => times.Add(), adapter: adapters[row % adapters.Length],
                cancel: cancel);
            cancel.ThrowIfCancellationRequested();
            alone += times.Seconds;
        }
        return new TimedBatching(one, mixed, shape.Batch * (shape.NewTokens - 1) / alone);

        double Batch(Func<int, string> adapterOf)
        {
            var times = new TokenTimes(shape.Batch);
            var texts = Enumerable.Range(0, shape.Batch).Select(row =>
                batcher.GenerateAsync(PromptOf(row), options, adapterOf(row), (_, _) => times.Add(), cancel)).ToArray();
            Task.WaitAll(texts, cancel);
            return times.Count / times.Seconds;
        }

        ReadOnlyMemory<int> PromptOf(int row) => prompts.AsMemory(row * shape.PromptLength, shape.PromptLength);
    }

    /// <summary>The time from the last request's first token to the last token, and the tokens between.</summary>
    private sealed class TokenTimes(int rows)
    {
        private readonly List<long> _ticks = [];

        public int Count => _ticks.Count - rows;

        public double Seconds => Stopwatch.GetElapsedTime(_ticks[rows - 1], _ticks[^1]).TotalSeconds;

        public void Add() => _ticks.Add(Stopwatch.GetTimestamp());
    }
}

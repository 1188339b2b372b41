using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using PeftCore.Extensions.AI;
using PeftCore.Peft;

namespace PeftCore.Server.Engine;

/// <summary>Embeds texts with the base or an attached adapter, one request after another. How the hidden states of a text become its vector
/// is what the model directory says, or the adapter's file where that was trained with a pooling.</summary>
internal sealed class Embedder(ServedModel served) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);
    private readonly ConcurrentDictionary<string, PeftCoreEmbeddingGenerator> _generators = new(StringComparer.Ordinal);

    /// <summary>Length of the vectors.</summary>
    public int Dimensions(ModelTarget target) => GeneratorOf(target).Metadata.DefaultModelDimensions ?? served.Model.Base.HiddenSize;

    /// <summary>The vectors of texts, and the number of their tokens.</summary>
    /// <exception cref="BadInputException">A text has too many tokens or none, or the model embeds no texts.</exception>
    public async Task<(IReadOnlyList<ReadOnlyMemory<float>> Vectors, int Tokens)> Embed(IReadOnlyList<string> texts, ModelTarget target,
        CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel);
        try
        {
            var options = new EmbeddingGenerationOptions { ModelId = NameOf(target) };
            var vectors = await GeneratorOf(target).GenerateAsync(texts, options, cancel);
            return ([.. vectors.Select(vector => vector.Vector)], (int)(vectors.Usage?.InputTokenCount ?? 0));
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private string NameOf(ModelTarget target) => target.Directory is null ? served.Name : target.Adapter;

    /// <summary>The generator of a model name. It finds its adapter by name, so that it also serves one that was detached and attached
    /// again.</summary>
    private PeftCoreEmbeddingGenerator GeneratorOf(ModelTarget target) => _generators.GetOrAdd(target.Adapter, _ =>
    {
        var options = new PeftCoreEmbeddingOptions
        {
            ModelDirectory = served.Directory,
            ModelId = served.Name,
            Pooling = target.Directory is { } directory ? PoolingOf(directory) : null,
        };
        return new PeftCoreEmbeddingGenerator(new PeftCoreModel(served.Model, served.Tokenizer, served.Backend, options), options);
    });

    private static string? PoolingOf(string adapter) => SavedAdapter.TaskOf(adapter)?.Pooling is { } name
        ? name == "last" ? "lasttoken" : name : null;
}

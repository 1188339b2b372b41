using Microsoft.Extensions.AI;

namespace PeftCore.Extensions.AI.Tests.Snippets;

internal static class Embedding
{
    public static async Task<IReadOnlyList<Embedding<float>>> RunAsync(string modelDirectory)
    {
        using var generator = PeftCoreEmbeddingGenerator.FromDirectory(modelDirectory);
        var embeddings = await generator.GenerateAsync(["a good film", "a fine movie"]);
        return [.. embeddings];
    }
}

using PeftCore.Models;

namespace PeftCore.Bench;

/// <summary>Models that several suites run.</summary>
internal static class Shapes
{
    /// <summary>The bundled model, 3.2 million parameters.</summary>
    public static LlamaConfig BaseLlama => new()
    {
        ModelType = "llama",
        VocabularySize = 4096,
        HiddenSize = 192,
        IntermediateSize = 512,
        Layers = 5,
        Heads = 6,
        KeyHeads = 2,
        HeadDim = 32,
        MaxLength = 256,
    };
}

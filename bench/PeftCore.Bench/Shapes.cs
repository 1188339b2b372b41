using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Bench;

/// <summary>Models that several suites run.</summary>
internal static class Shapes
{
    /// <summary>The bundled model, 3.2 million parameters.</summary>
    public static DecoderSpec BaseLlama => new()
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
        Rope = new RopeSpec(10000, new DefaultRope(), 32),
    };
}

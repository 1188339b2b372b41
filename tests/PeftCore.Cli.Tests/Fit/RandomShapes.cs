using System.Text.Json.Nodes;
using PeftCore.Cli.Demo;

namespace PeftCore.Cli.Tests.Fit;

/// <summary>Shapes of decoders that are drawn from a seed.</summary>
internal static class RandomShapes
{
    private static readonly string[] Families = ["llama", "qwen3", "gpt2", "mistral"];

    /// <summary>A model directory of some ten thousand parameters, with weights.</summary>
    public static string Tiny(TemporaryDirectory directory, int seed)
    {
        var random = new Random(seed);
        var config = Config(random, heads: 2 * random.Next(1, 3), headDim: 16 * random.Next(1, 3), layers: random.Next(1, 5),
            vocabulary: 64 * random.Next(2, 20), length: 32 * (1 + random.Next(2)));
        DemoLayoutLm.WithRandomWeights(directory.FullPath, config, seed: 3);
        return directory.FullPath;
    }

    /// <summary>A configuration of up to ten billion parameters.</summary>
    public static string Large(TemporaryDirectory directory, int seed)
    {
        var random = new Random(seed);
        return directory.Write("config.json", Config(random, heads: 8 * random.Next(2, 8), headDim: 128, layers: random.Next(6, 25),
            vocabulary: 32000 * random.Next(1, 5), length: 1024 * random.Next(1, 5)).ToJsonString());
    }

    private static JsonObject Config(Random random, int heads, int headDim, int layers, int vocabulary, int length)
    {
        string family = Families[random.Next(Families.Length)];
        int columns = heads * headDim, inner = columns * random.Next(2, 5);
        return family == "gpt2" ? new JsonObject
        {
            ["model_type"] = family, ["architectures"] = new JsonArray("GPT2LMHeadModel"), ["n_embd"] = columns, ["n_head"] = heads,
            ["n_layer"] = layers, ["n_inner"] = inner, ["vocab_size"] = vocabulary, ["n_positions"] = length, ["n_ctx"] = length,
        }
        : new JsonObject
        {
            ["model_type"] = family, ["hidden_size"] = columns, ["num_attention_heads"] = heads, ["head_dim"] = headDim,
            ["num_key_value_heads"] = heads / (1 + random.Next(2)), ["num_hidden_layers"] = layers, ["intermediate_size"] = inner,
            ["vocab_size"] = vocabulary, ["max_position_embeddings"] = length, ["hidden_act"] = "silu", ["rms_norm_eps"] = 1e-5,
            ["tie_word_embeddings"] = random.Next(2) == 0,
        };
    }
}

using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Cli.Session;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Demo;

/// <summary>Writes a small LayoutLM with random weights, whose vocabulary is the words of the demo's forms.</summary>
internal static class DemoLayoutLm
{
    /// <summary>Writes the directory.</summary>
    /// <param name="directory">The directory, which is created.</param>
    /// <param name="seed">Seed of the weights.</param>
    public static void Write(string directory, ulong seed)
    {
        OutputDirectory.Create(directory);
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray("LayoutLMModel"),
            ["model_type"] = "layoutlm",
            ["vocab_size"] = WordTokenizer.Write(directory, DemoForms.Words),
            ["hidden_size"] = 64,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 4,
            ["intermediate_size"] = 128,
            ["max_position_embeddings"] = 128,
            ["max_2d_position_embeddings"] = 1024,
            ["hidden_dropout_prob"] = 0,
            ["attention_probs_dropout_prob"] = 0,
            ["pad_token_id"] = 0,
        };
        WithRandomWeights(directory, config, seed);
    }

    /// <summary>Writes a configuration, and weights drawn for it.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="config">config.json.</param>
    /// <param name="seed">Seed of the weights.</param>
    public static void WithRandomWeights(string directory, JsonObject config, ulong seed)
    {
        JsonFile.Write(Path.Combine(directory, "config.json"), config);
        using var backend = new CpuBackend();
        using var scope = new TensorScope();
        var model = ModelLoader.Declare(ConfigReader.Open(Path.Combine(directory, "config.json")));
        ModelLoader.Initialize(model, backend, DType.F32, seed);
        ModelWriter.Save(model, directory, directory);
        model.Dispose();
    }
}

using System.Text.Json.Nodes;
using PeftCore.Cli.Demo;

namespace PeftCore.Cli.Tests;

/// <summary>Directories of small models of pages and pictures with random weights.</summary>
internal static class SmallModels
{
    private const int Columns = 32;

    /// <summary>A LayoutLM of a few thousand parameters.</summary>
    public static string LayoutLm(string directory) => Write(directory, "layoutlm", DemoForms.Words, vocabulary => Page(vocabulary, "LayoutLM"));

    /// <summary>A LayoutLMv3 that reads pictures of 32 × 32 pixels.</summary>
    public static string LayoutLmV3(string directory)
    {
        Write(directory, "layoutlmv3", DemoForms.Words, vocabulary =>
        {
            var config = Page(vocabulary, "LayoutLMv3");
            (config["input_size"], config["patch_size"], config["coordinate_size"], config["shape_size"]) = (32, 16, 5, 6);
            return config;
        });
        Preprocessor(directory, "LayoutLMv3ImageProcessor");
        return directory;
    }

    /// <summary>A CLIP that reads pictures of 32 × 32 pixels and the words of shapes.</summary>
    public static string Clip(string directory)
    {
        Write(directory, "clip", [.. DemoPictures.Classes, "a", "picture", "of"], vocabulary =>
        {
            var (text, vision) = (Sizes(), Sizes());
            (text["vocab_size"], text["max_position_embeddings"], text["eos_token_id"]) = (vocabulary, 16, WordTokenizer.End);
            (vision["image_size"], vision["patch_size"]) = (32, 8);
            return new JsonObject
            {
                ["architectures"] = new JsonArray("CLIPModel"),
                ["projection_dim"] = 24,
                ["text_config"] = text,
                ["vision_config"] = vision,
            };
        });
        Preprocessor(directory, "CLIPImageProcessor");
        return directory;
    }

    /// <summary>A DINOv2 with two classes.</summary>
    public static string Dinov2(string directory)
    {
        Write(directory, "dinov2", [], _ =>
        {
            var config = Sizes();
            config["architectures"] = new JsonArray("Dinov2ForImageClassification");
            (config["image_size"], config["patch_size"], config["mlp_ratio"]) = (32, 8, 2);
            return config;
        });
        Preprocessor(directory, "BitImageProcessor");
        return directory;
    }

    private static string Write(string directory, string type, IEnumerable<string> words, Func<int, JsonObject> configOf)
    {
        Directory.CreateDirectory(directory);
        var config = configOf(WordTokenizer.Write(directory, words));
        config["model_type"] = type;
        DemoLayoutLm.WithRandomWeights(directory, config, seed: 5);
        return directory;
    }

    private static JsonObject Page(int vocabulary, string name)
    {
        var config = Sizes();
        config["architectures"] = new JsonArray(name + "Model");
        (config["vocab_size"], config["max_position_embeddings"], config["max_2d_position_embeddings"]) = (vocabulary, 64, 1024);
        (config["hidden_dropout_prob"], config["attention_probs_dropout_prob"]) = (0, 0);
        return config;
    }

    private static JsonObject Sizes() => new()
    {
        ["hidden_size"] = Columns,
        ["num_hidden_layers"] = 2,
        ["num_attention_heads"] = 4,
        ["intermediate_size"] = 2 * Columns,
    };

    private static void Preprocessor(string directory, string name) => File.WriteAllText(Path.Combine(directory, "preprocessor_config.json"),
        $$"""
        {"image_processor_type": "{{name}}", "size": {"height": 32, "width": 32}, "do_center_crop": false,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
        """);
}

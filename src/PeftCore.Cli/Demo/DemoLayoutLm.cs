using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Demo;

/// <summary>Writes a small LayoutLM with random weights: config.json, model.safetensors, and a tokenizer.json whose vocabulary is the words
/// of the demo's forms and digits.</summary>
internal static class DemoLayoutLm
{
    private static readonly string[] Special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

    /// <summary>Writes the directory.</summary>
    /// <param name="directory">The directory, which is created.</param>
    /// <param name="seed">Seed of the weights.</param>
    public static void Write(string directory, ulong seed)
    {
        Directory.CreateDirectory(directory);
        string[] vocabulary = Vocabulary();
        var config = new JsonObject
        {
            ["architectures"] = new JsonArray("LayoutLMModel"),
            ["model_type"] = "layoutlm",
            ["vocab_size"] = vocabulary.Length,
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
        JsonFile.Write(Path.Combine(directory, "config.json"), config);
        JsonFile.Write(Path.Combine(directory, "tokenizer.json"), Tokenizer(vocabulary));
        using var backend = new CpuBackend();
        using var scope = new TensorScope();
        var model = ModelLoader.Declare(ConfigReader.Open(Path.Combine(directory, "config.json")));
        ModelLoader.Initialize(model, backend, DType.F32, seed);
        ModelWriter.Save(model, directory, directory);
        model.Dispose();
    }

    private static string[] Vocabulary() =>
        [.. Special, .. DemoForms.Words, ".", .. Enumerable.Range(0, 10).SelectMany(digit => new[] { $"{digit}", $"##{digit}" })];

    /// <summary>WordPiece: digits of a number are tokens of their own, all other words whole.</summary>
    private static JsonObject Tokenizer(string[] vocabulary) => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. Special.Select((token, id) => new JsonObject
        {
            ["id"] = id, ["content"] = token, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false,
            ["special"] = true,
        })]),
        ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
        ["post_processor"] = new JsonObject
        {
            ["type"] = "BertProcessing",
            ["sep"] = new JsonArray("[SEP]", 3),
            ["cls"] = new JsonArray("[CLS]", 2),
        },
        ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
        ["model"] = new JsonObject
        {
            ["type"] = "WordPiece",
            ["unk_token"] = "[UNK]",
            ["continuing_subword_prefix"] = "##",
            ["max_input_chars_per_word"] = 100,
            ["vocab"] = new JsonObject(vocabulary.Select((token, id) => KeyValuePair.Create<string, JsonNode?>(token, id))),
        },
    };
}

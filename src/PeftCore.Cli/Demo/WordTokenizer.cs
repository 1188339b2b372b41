using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Cli.Demo;

/// <summary>Writes a tokenizer.json for a few words: a WordPiece in which each word is a token and each digit of a number is one.</summary>
internal static class WordTokenizer
{
    /// <summary>The tokens before and after a text.</summary>
    public const int Begin = 2, End = 3;

    private static readonly string[] Special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

    /// <summary>Writes the file.</summary>
    /// <param name="directory">Its directory.</param>
    /// <param name="words">The words.</param>
    /// <returns>Size of the vocabulary.</returns>
    public static int Write(string directory, IEnumerable<string> words)
    {
        string[] vocabulary =
            [.. Special, .. words, ".", .. Enumerable.Range(0, 10).SelectMany(digit => new[] { $"{digit}", $"##{digit}" })];
        JsonFile.Write(Path.Combine(directory, "tokenizer.json"), new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray([.. Special.Select((token, id) => Added(token, id))]),
            ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
            ["post_processor"] = new JsonObject
            {
                ["type"] = "BertProcessing",
                ["sep"] = new JsonArray(Special[End], End),
                ["cls"] = new JsonArray(Special[Begin], Begin),
            },
            ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
            ["model"] = new JsonObject
            {
                ["type"] = "WordPiece",
                ["unk_token"] = Special[1],
                ["continuing_subword_prefix"] = "##",
                ["max_input_chars_per_word"] = 100,
                ["vocab"] = new JsonObject(vocabulary.Select((token, id) => KeyValuePair.Create<string, JsonNode?>(token, id))),
            },
        });
        return vocabulary.Length;
    }

    private static JsonObject Added(string token, int id) => new()
    {
        ["id"] = id,
        ["content"] = token,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = false,
        ["special"] = true,
    };
}

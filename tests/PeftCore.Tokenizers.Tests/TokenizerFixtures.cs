using System.Text;
using System.Text.Json.Nodes;

namespace PeftCore.Tokenizers.Tests;

internal static class TokenizerFixtures
{
    public static readonly string[] Kinds = ["byte_bpe", "sentencepiece_bpe", "unigram", "wordpiece"];

    public static string Directory(string kind) => TestFiles.Fixture("tokenizers", kind);

    public static Tokenizer Load(string kind) => Tokenizer.FromDirectory(Directory(kind));

    public static JsonObject Json(string kind) =>
        JsonNode.Parse(File.ReadAllBytes(Path.Combine(Directory(kind), "tokenizer.json")))!.AsObject();

    public static Tokenizer Read(JsonNode json) => Read(json.ToJsonString());

    public static Tokenizer Read(string json) => Read(System.Text.Encoding.UTF8.GetBytes(json));

    public static Tokenizer Read(ReadOnlyMemory<byte> json) =>
        JsonField.ReadBytes("tokenizer.json", json, root => TokenizerReader.Read(root, TokenizerConfig.Empty));

    /// <summary>A tokenizer whose vocabulary is a list of words, for tests of what happens around the model.</summary>
    public static Tokenizer Words(string parts, params ReadOnlySpan<string> words)
    {
        var vocab = new JsonObject { ["<unk>"] = 0 };
        foreach (string word in words)
        {
            vocab[word] = vocab.Count;
        }

        var text = new StringBuilder("""{"version": "1.0", "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": """);
        text.Append(vocab.ToJsonString()).Append('}').Append(parts.Length > 0 ? ", " + parts : "").Append('}');
        return Read(text.ToString());
    }

    /// <summary>The pieces that a pre-tokenizer cuts a text into.</summary>
    public static string[] Pieces(string preTokenizer, string text) =>
        [.. Words($"\"pre_tokenizer\": {preTokenizer}").Encode(text).Offsets.Select(o => Slice(text, o))];

    public static string Slice(string text, TextRange range) =>
        string.Concat(text.EnumerateRunes().Skip(range.Start).Take(range.End - range.Start));
}

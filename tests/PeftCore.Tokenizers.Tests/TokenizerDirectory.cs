using System.Text.Json.Nodes;

namespace PeftCore.Tokenizers.Tests;

/// <summary>A model directory for tests: a small tokenizer of words with &lt;unk&gt; 0, &lt;s&gt; 1, &lt;/s&gt; 2, and other files by their
/// names.</summary>
internal sealed class TokenizerDirectory : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public TokenizerDirectory(string? parts = null)
    {
        this["tokenizer.json"] = $$$"""
            {"version": "1.0", "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, "<img>": 5}}{{{parts}}}}
            """;
    }

    public string FullPath => _directory.FullPath;

    public string this[string name]
    {
        set
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_directory[name])!);
            File.WriteAllText(_directory[name], value);
        }
    }

    public Tokenizer Load() => Tokenizer.FromDirectory(FullPath);

    public void Dispose() => _directory.Dispose();

    public static JsonObject Added(int id, string content) => JsonNode.Parse(
        $$"""{"id": {{id}}, "content": "{{content}}", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}""")!.AsObject();
}

using PeftCore.Tokenizers;

namespace PeftCore.Misuse;

/// <summary>Base models and tokenizers below tests/fixtures.</summary>
internal sealed class Files(string fixtures, string root)
{
    private readonly string[] _models = [.. Directory.GetDirectories(Path.Combine(fixtures, "hf"))
        .Select(place => Path.Combine(place, "base")).Where(place => File.Exists(Path.Combine(place, "model.safetensors")))
        .Order(StringComparer.Ordinal)];

    private readonly Dictionary<string, Tokenizer> _tokenizers = [];

    /// <summary>Copies of the tokenizers: an episode may write to any place that it knows.</summary>
    public string[] Tokenizers { get; } = [.. Directory.GetDirectories(Path.Combine(fixtures, "tokenizers")).Order(StringComparer.Ordinal)
        .Select(source => Copy(source, Path.Combine(root, "tokenizers", Path.GetFileName(source))))];

    /// <summary>Copies a random base model, which the episode may overwrite.</summary>
    public string CopyModel(Random random, string directory)
    {
        string source = _models[random.Next(_models.Length)];
        return Copy(source, Path.Combine(directory, "model"));
    }

    /// <summary>The tokenizer of a directory, read once: no call changes it.</summary>
    public Tokenizer Tokenizer(string directory)
    {
        if (!_tokenizers.TryGetValue(directory, out var tokenizer))
        {
            _tokenizers.Add(directory, tokenizer = PeftCore.Tokenizers.Tokenizer.FromDirectory(directory));
        }
        return tokenizer;
    }

    private static string Copy(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.GetFiles(source))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)), overwrite: true);
        }
        return target;
    }
}

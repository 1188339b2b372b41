namespace PeftCore.Tokenizers;

/// <summary>The files of a tokenizer's directory.</summary>
/// <param name="directory">The directory's path, which warnings name.</param>
/// <param name="find">Returns the path to read for a path in the directory, or null if there is no such file.</param>
internal sealed class TokenizerFiles(string directory, Func<string, string?> find)
{
    public string Directory => directory;

    /// <summary>The path to read for a file's name, or null if there is no such file.</summary>
    public string? Find(string name) => find(Path.Combine(directory, name));

    /// <summary>Reads a JSON file; null if there is no such file.</summary>
    public T? Read<T>(string name, Func<JsonField, T> read) where T : class =>
        Find(name) is { } path ? JsonField.ReadFile(path, read) : null;
}

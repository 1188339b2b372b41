namespace PeftCore.Tokenizers;

/// <summary>The files of a tokenizer's directory.</summary>
/// <param name="directory">The directory's path, which warnings name.</param>
/// <param name="read">Returns the content of a file for its path in the directory, or null if there is no such file.</param>
internal sealed class TokenizerFiles(string directory, Func<string, byte[]?> read)
{
    public string Directory => directory;

    /// <summary>The path of a file.</summary>
    public string PathOf(string name) => Path.Combine(directory, name);

    /// <summary>The content of a file, or null if there is no such file.</summary>
    public byte[]? Content(string name) => read(PathOf(name));

    /// <summary>Reads a JSON file; null if there is no such file.</summary>
    public T? Read<T>(string name, Func<JsonField, T> read) where T : class =>
        Content(name) is { } bytes ? JsonField.ReadBytes(PathOf(name), bytes, read) : null;
}

namespace PeftCore.Tokenizers;

/// <summary>Reads the Unicode tables that are embedded in this assembly. .NET has them too, but not when it runs without its
/// globalisation library, where normalisation silently does nothing.</summary>
internal static class UnicodeResource
{
    public static IEnumerable<string> Lines(string name)
    {
        using var stream = typeof(UnicodeResource).Assembly.GetManifestResourceStream("PeftCore.Tokenizers.Unicode." + name)
            ?? throw new InvalidOperationException($"The table {name} is not in the assembly.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0)
            {
                yield return line;
            }
        }
    }
}

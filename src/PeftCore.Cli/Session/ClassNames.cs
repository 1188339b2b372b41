using System.Text.Json;

namespace PeftCore.Cli.Session;

/// <summary>The names of class numbers in the metadata that Hugging Face's datasets library writes to Parquet files.</summary>
internal static class ClassNames
{
    private const string Key = "huggingface";

    /// <summary>A sentence with the flag that uses the names; null if the metadata have none.</summary>
    public static string? Sentence(IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is null || !metadata.TryGetValue(Key, out string? text) || Find(text) is not { } found)
        {
            return null;
        }
        string names = string.Join(',', found.Names.Select((name, number) => $"{number}={name}"));
        return $"the numbers in \"{found.Column}\" have names in the file, which --label-names \"{names}\" uses";
    }

    private static (string Column, List<string> Names)? Find(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            foreach (var feature in document.RootElement.GetProperty("info").GetProperty("features").EnumerateObject())
            {
                var type = feature.Value;
                // The names of tags are those of the list's items.
                while (type.ValueKind == JsonValueKind.Object && type.TryGetProperty("feature", out var item))
                {
                    type = item;
                }
                if (type.ValueKind == JsonValueKind.Object && type.TryGetProperty("names", out var names))
                {
                    return (feature.Name, [.. names.EnumerateArray().Select(name => name.GetString() ?? "")]);
                }
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // Metadata of another version; the rows do not need them.
        }
        return null;
    }
}

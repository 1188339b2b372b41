using System.Text.Json;

namespace PeftCore.Data;

/// <summary>Reads the words of a page with their boxes and tags: {"words", "boxes", "tags"}, optionally the path of its picture. A page to
/// tag has no tags.</summary>
internal static class BoxFields
{
    /// <summary>The largest coordinate: pages are 1000 wide and 1000 high, whatever their pixels.</summary>
    public const int Most = 1000;

    private const string Expected = "left, top, right and bottom of each word";

    /// <summary>A page.</summary>
    public static TokensRow Boxed(RowPlace place, IReadOnlyDictionary<string, FieldValue> fields)
    {
        var row = TaskFields.Tagged(place, fields, "words");
        var items = TaskFields.Items(place, "boxes", fields["boxes"], $"a list of boxes, {Expected}");
        if (items.Length != row.Tokens.Count)
        {
            throw place.Error($"\"words\" has {row.Tokens.Count} words and \"boxes\" has {items.Length} boxes, expected one box for each word");
        }
        string? path = MediaRow.PathFields.FirstOrDefault(fields.ContainsKey);
        return row with
        {
            Boxes = [.. items.Select((item, i) => Box(place, row.Tokens[i], item))],
            File = path is null ? null : MediaRow.Of(place, fields[path].AsText(place, path), null, null).File,
        };
    }

    private static int[] Box(RowPlace place, string word, JsonElement item)
    {
        int[] box = item.ValueKind == JsonValueKind.Array && item.GetArrayLength() == 4
            && item.EnumerateArray().All(side => side.ValueKind == JsonValueKind.Number && side.TryGetInt32(out _))
            ? [.. item.EnumerateArray().Select(side => side.GetInt32())]
            : throw place.Error($"\"boxes\" holds {FieldValue.Describe(item)} for \"{word}\", expected whole numbers: {Expected}");
        string shown = $"the box [{string.Join(", ", box)}] of \"{word}\"";
        return box.Any(side => side is < 0 or > Most) ? throw place.Error(
                $"{shown} lies outside of the page, whose coordinates are 0 to {Most}; divide by the page's size and multiply by {Most}")
            : box[2] < box[0] || box[3] < box[1] ? throw place.Error($"{shown} ends before it begins; boxes are {Expected}") : box;
    }
}

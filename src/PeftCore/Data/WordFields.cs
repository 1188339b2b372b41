namespace PeftCore.Data;

/// <summary>Other names of the fields of words, which data sets on the Hugging Face hub have: {"tokens", "bboxes", "ner_tags"} is read as
/// {"words", "boxes", "tags"}, and {"words", "labels"} as {"tokens", "tags"}.</summary>
internal static class WordFields
{
    private static readonly string[] Words = ["words", "tokens"], Boxes = ["boxes", "bboxes"], Tags = ["tags", "ner_tags", "labels"];

    /// <summary>All names.</summary>
    public static IEnumerable<string> Names => [.. Words, .. Boxes, .. Tags];

    /// <summary>The name here of each field of a row, in their order.</summary>
    public static IReadOnlyList<string> Named(IReadOnlyCollection<string> names)
    {
        if (!names.Any(Words.Contains))
        {
            return [.. names];
        }
        string words = names.Any(Boxes.Contains) ? "words" : "tokens";
        return [.. names.Select(name => Words.Contains(name) ? words
            : Boxes.Contains(name) ? Boxes[0]
            : Tags.Contains(name) ? Tags[0] : name)];
    }

    /// <summary>The fields of a row under their names here.</summary>
    /// <exception cref="BadInputException">Two fields have the same meaning.</exception>
    public static IReadOnlyDictionary<string, FieldValue> Named(RowPlace place, IReadOnlyDictionary<string, FieldValue> fields)
    {
        string[] own = [.. fields.Keys];
        var names = Named(own);
        if (names.SequenceEqual(own))
        {
            return fields;
        }
        var named = new Dictionary<string, FieldValue>(StringComparer.Ordinal);
        for (int i = 0; i < own.Length; i++)
        {
            if (!named.TryAdd(names[i], fields[own[i]]))
            {
                throw place.Error($"\"{own[names.ToList().IndexOf(names[i])]}\" and \"{own[i]}\" are two names of one field; leave one out");
            }
        }
        return named;
    }
}

using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>The outcome of one case.</summary>
public sealed class TokenizerCaseResult
{
    internal TokenizerCaseResult(string name, bool ok, string detail) => (Name, Ok, Detail) = (name, ok, detail);

    /// <summary>Which case it is.</summary>
    public string Name { get; }

    /// <summary>Whether the tokenizer gave what the case expects.</summary>
    public bool Ok { get; }

    /// <summary>What differs first, or how much was compared.</summary>
    public string Detail { get; }
}

/// <summary>Checks a tokenizer against encodings made by the reference implementation.</summary>
public static class TokenizerCases
{
    /// <summary>Checks every case of a directory with a tokenizer.json and a cases.json: a list of objects with text, ids, tokens, offsets
    /// (in code points), ids_no_special, decoded and decoded_keep_special.</summary>
    /// <exception cref="BadInputException">A file is missing or not of that form.</exception>
    public static IReadOnlyList<TokenizerCaseResult> Check(string directory)
    {
        var tokenizer = Tokenizer.FromDirectory(directory);
        return JsonField.ReadFile(Path.Combine(directory, "cases.json"),
            root => root.Items().Select((item, index) => Check(tokenizer, item, index)).ToList());
    }

    private static TokenizerCaseResult Check(Tokenizer tokenizer, JsonField item, int index)
    {
        string text = item["text"].AsString();
        string name = $"{index}: {JsonEncodedText.Encode(text.Length <= 40 ? text : text[..39])}";
        var encoding = tokenizer.Encode(text);
        int[] ids = item["ids"].Items().Select(i => i.AsIndex()).ToArray();
        string? difference = First("ids", ids, encoding.Ids)
            ?? First("tokens", item["tokens"].Items().Select(i => i.AsString()), encoding.Tokens)
            ?? First("offsets", item["offsets"].Items().Select(ReadRange), encoding.Offsets)
            ?? First("ids_no_special", item["ids_no_special"].Items().Select(i => i.AsIndex()), tokenizer.Encode(text, false).Ids)
            ?? First("decoded", [item["decoded"].AsString()], [tokenizer.Decode(ids)])
            ?? First("decoded_keep_special", [item["decoded_keep_special"].AsString()], [tokenizer.Decode(ids, false)]);
        return new TokenizerCaseResult(name, difference is null, difference ?? $"{ids.Length} tokens agree");
    }

    private static TextRange ReadRange(JsonField field)
    {
        int[] ends = field.Items().Select(i => i.AsIndex()).ToArray();
        return ends.Length == 2 ? new TextRange(ends[0], ends[1]) : throw field.Bad("a start and an end");
    }

    private static string? First<T>(string what, IEnumerable<T> expected, IReadOnlyList<T> actual)
    {
        var wanted = expected.ToList();
        for (int i = 0; i < Math.Max(wanted.Count, actual.Count); i++)
        {
            string left = i < wanted.Count ? $"{wanted[i]}" : "nothing";
            string right = i < actual.Count ? $"{actual[i]}" : "nothing";
            if (left != right || i >= wanted.Count || i >= actual.Count)
            {
                return $"{what}[{i}] is {right}, expected {left}";
            }
        }

        return null;
    }
}

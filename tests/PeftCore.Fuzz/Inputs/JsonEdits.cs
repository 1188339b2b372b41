namespace PeftCore.Fuzz.Inputs;

/// <summary>Edits of JSON values.</summary>
internal static class JsonEdits
{
    /// <summary>Values that a field may hold by mistake.</summary>
    public static readonly string[] Values =
    [
        "null", "true", "false", "-1", "0", "-0", "1", "2", "3", "4", "5", "8", "16", "33", "64", "0.5", "0.1", "1e9", "1e308", "-1e308",
        "2147483647", "2147483648", "9223372036854775808", "1e-400", "4.0", "1e1",
        "\"\"", "\"x\"", "\"4\"", "\"0,5\"", "\"true\"", "\"None\"", "\"null\"", "\"all-linear\"", "\".*\"", "\"(\"", "\".*_proj\"",
        "\"q_proj\"", "\"all\"", "\"none\"", "\"\\u0000\"", "\"é\"",
        "[]", "[\"\"]", "[\"q_proj\"]", "[\"lm_head\", \"norm\"]", "[\"mlp\"]", "[\"embed_tokens\"]", "[5, 9]", "[0]", "[1]", "[[1]]",
        "[null]", "[\"q_proj\", 1]", "[4, 8]",
        "{}", "{\"q_proj\": 2}", "{\"q_proj\": \"x\"}", "{\"(\": 2}", "{\"embed_tokens\": [1]}", "{\"embed_tokens\": [-1]}",
        "{\"\": [1, 1]}", "{\"a\": {\"b\": []}}",
    ];

    /// <summary>An equivalent text of a value: other order of fields, other white space.</summary>
    public static string Rewritten(FuzzRandom random, JsonTree tree)
    {
        if (tree.Fields is { } fields && random.OnceIn(2))
        {
            random.Shuffle(fields);
        }
        return tree.ToString(random.Pick("", " ", "\n", "\r\n  ", "\t"));
    }

    /// <summary>Duplicates a field with another value, before or after the first.</summary>
    public static void Double(FuzzRandom random, JsonTree tree, string key, JsonTree other)
    {
        int at = tree.Fields!.FindIndex(field => field.Key == key);
        tree.Fields.Insert(random.OnceIn(2) ? at : random.Between(at, tree.Fields.Count), (key, other));
    }

    /// <summary>Whether two values are the same to every reader.</summary>
    public static bool Same(JsonTree one, JsonTree other) =>
        one.IsNumber && other.IsNumber ? one.Number == other.Number : one.ToString() == other.ToString();

    /// <summary>Changes one value anywhere: replaced, removed, doubled, renamed, or exchanged with a neighbour.</summary>
    public static string Anywhere(FuzzRandom random, JsonTree tree)
    {
        JsonTree[] holders = [.. tree.All().Where(value => value.Fields is { Count: > 0 } || value.Items is { Count: > 0 })];
        if (holders.Length == 0)
        {
            return "nothing";
        }
        var holder = random.Pick(holders);
        var value = random.OnceIn(3) ? random.Pick(tree.All().ToArray()).Clone() : JsonTree.Parse(random.Pick(Values));
        return holder.Fields is { } fields ? InObject(random, fields, value) : InList(random, holder.Items!, value);
    }

    private static string InObject(FuzzRandom random, List<(string Key, JsonTree Value)> fields, JsonTree value)
    {
        int at = random.Below(fields.Count);
        string key = fields[at].Key;
        switch (random.Below(6))
        {
            case 0:
                fields.RemoveAt(at);
                return "removed";
            case 1:
                fields.Insert(random.Below(fields.Count + 1), (key, value));
                return "doubled";
            case 2:
                fields[at] = (random.Pick(key + "x", key.ToUpperInvariant(), "", fields[random.Below(fields.Count)].Key), fields[at].Value);
                return "renamed";
            default:
                fields[at] = (key, value);
                return "replaced";
        }
    }

    private static string InList(FuzzRandom random, List<JsonTree> items, JsonTree value)
    {
        int at = random.Below(items.Count);
        switch (random.Below(5))
        {
            case 0:
                items.RemoveAt(at);
                return "item removed";
            case 1:
                items.Insert(random.Below(items.Count + 1), items[at].Clone());
                return "item doubled";
            case 2:
                int other = random.Below(items.Count);
                (items[at], items[other]) = (items[other], items[at]);
                return "items exchanged";
            default:
                items[at] = value;
                return "item replaced";
        }
    }
}

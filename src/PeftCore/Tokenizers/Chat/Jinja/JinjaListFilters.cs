namespace PeftCore.Tokenizers;

/// <summary>What can stand after "|" and works on lists.</summary>
internal static class JinjaListFilters
{
    public static bool IsKnown(string name) => name is "join" or "list" or "first" or "last" or "select" or "reject" or "selectattr" or "rejectattr"
        or "map" or "unique" or "sort" or "reverse" or "sum" or "min" or "max" or "dictsort" or "batch";

    public static object? Apply(string name, object? value, JinjaArguments args, JinjaRun run)
    {
        var items = value is null && name is "first" or "last" ? throw JinjaError.Of($"None has no {name}") : JinjaMembers.Iterate(value, run);
        return name switch
        {
            "join" => Join(items, args, run),
            "list" => items,
            "first" => items.Count > 0 ? items[0] : new JinjaUndefined("the first of nothing"),
            "last" => items.Count > 0 ? items[^1] : new JinjaUndefined("the last of nothing"),
            "select" => items.Where(i => Passes(i, args, 0, run)).ToList(),
            "reject" => items.Where(i => !Passes(i, args, 0, run)).ToList(),
            "selectattr" => items.Where(i => Passes(Path(i, args[0, "attribute"], run), args, 1, run)).ToList(),
            "rejectattr" => items.Where(i => !Passes(Path(i, args[0, "attribute"], run), args, 1, run)).ToList(),
            "map" => Map(items, args, run),
            "unique" => Unique(items, args, run),
            "sort" => Sort(items, args, run),
            "reverse" => value is string ? string.Concat(Enumerable.Reverse(items)) : Enumerable.Reverse(items).ToList(),
            "sum" => Sum(items, args, run),
            "min" => Extreme(items, -1, run),
            "max" => Extreme(items, 1, run),
            "dictsort" => DictSort(value, args, run),
            "batch" => Batch(items, args),
            _ => throw JinjaError.Of($"there is no filter '{name}'"),
        };
    }

    private static object? Extreme(List<object?> items, int sign, JinjaRun run) => items.Count == 0
        ? new JinjaUndefined("the extreme of nothing")
        : items.Aggregate((best, item) => Math.Sign(JinjaOperators.Compare(item, best, run)) == sign ? item : best);

    private static string Join(List<object?> items, JinjaArguments args, JinjaRun run)
    {
        var attribute = args.Get(1, "attribute", null);
        return JinjaStringMethods.Join(args.Text(0, "d", ""), attribute is null ? items : items.Select(i => Path(i, attribute, run)).ToList(), run);
    }

    private static bool Passes(object? value, JinjaArguments args, int first, JinjaRun run) => args.Positional.Count <= first
        ? JinjaOperators.IsTrue(value)
        : JinjaTests.Check(args.Text(first, "test"), value, new JinjaArguments("test", [.. args.Positional.Skip(first + 1)], []), run);

    /// <summary>A member by name or number, with dots for members of members.</summary>
    private static object? Path(object? value, object? path, JinjaRun run)
    {
        if (path is long)
        {
            return JinjaMembers.Item(value, path, run);
        }

        foreach (var part in JinjaText.Str(path).Split('.'))
        {
            value = value is JinjaUndefined ? value : JinjaMembers.Item(value, long.TryParse(part, out var index) ? index : part, run);
        }

        return value;
    }

    private static List<object?> Map(List<object?> items, JinjaArguments args, JinjaRun run)
    {
        if (args.Named.TryGetValue("attribute", out var attribute))
        {
            var missing = args.Named.GetValueOrDefault("default");
            return [.. items.Select(i => Path(i, attribute, run) is var found && found is JinjaUndefined && args.Named.ContainsKey("default")
                ? missing
                : found)];
        }

        var filter = args.Text(0, "filter");
        if (!JinjaFilters.IsKnown(filter) || filter == "map")
        {
            throw JinjaError.Of($"map does not know the filter '{filter}'");
        }

        var rest = new JinjaArguments(filter, [.. args.Positional.Skip(1)], new Dictionary<string, object?>(args.Named));
        return [.. items.Select(i => JinjaFilters.Apply(filter, i, rest, run))];
    }

    private static List<object?> Unique(List<object?> items, JinjaArguments args, JinjaRun run)
    {
        var result = new List<object?>();
        var seen = new List<object?>();
        foreach (var item in items)
        {
            var key = Fold(args.Get(1, "attribute", null) is { } path ? Path(item, path, run) : item, args.Get(0, "case_sensitive", false));
            run.Spend(seen.Count);
            if (!seen.Any(s => JinjaOperators.AreEqual(s, key, run)))
            {
                seen.Add(key);
                result.Add(item);
            }
        }

        return result;
    }

    private static List<object?> Sort(List<object?> items, JinjaArguments args, JinjaRun run)
    {
        object? Key(object? item) => Fold(args.Get(2, "attribute", null) is { } path ? Path(item, path, run) : item, args.Get(1, "case_sensitive", false));
        var order = Comparer<object?>.Create((a, b) => JinjaOperators.Compare(a, b, run));
        return JinjaOperators.IsTrue(args.Get(0, "reverse", false))
            ? [.. items.OrderByDescending(Key, order)]
            : [.. items.OrderBy(Key, order)];
    }

    private static object? Fold(object? value, object? caseSensitive) =>
        value is string text && !JinjaOperators.IsTrue(caseSensitive) ? text.ToLowerInvariant() : value;

    private static object? Sum(List<object?> items, JinjaArguments args, JinjaRun run)
    {
        var attribute = args.Get(0, "attribute", null);
        return items.Select(i => attribute is null ? i : Path(i, attribute, run))
            .Aggregate(args.Get(1, "start", 0L), (a, b) => JinjaOperators.Binary("+", a, b, run));
    }

    private static List<object?> DictSort(object? value, JinjaArguments args, JinjaRun run)
    {
        if (value is not JinjaDict dict)
        {
            throw JinjaError.Of($"dictsort needs a dictionary, not {JinjaOperators.Describe(value)}");
        }

        var byValue = args.Text(1, "by", "key") == "value";
        var sorted = dict.Items.OrderBy(i => Fold(byValue ? i.Value : i.Key, args.Get(0, "case_sensitive", false)),
            Comparer<object?>.Create((a, b) => JinjaOperators.Compare(a, b, run))).Select(i => (object?)JinjaMembers.Pair(i.Key, i.Value));
        return [.. JinjaOperators.IsTrue(args.Get(2, "reverse", false)) ? sorted.Reverse() : sorted];
    }

    private static List<object?> Batch(List<object?> items, JinjaArguments args)
    {
        var size = (int)Math.Clamp(args.Integer(0, "linecount", 0), 1, int.MaxValue);
        return [.. items.Chunk(size).Select(c => (object?)c.ToList())];
    }
}

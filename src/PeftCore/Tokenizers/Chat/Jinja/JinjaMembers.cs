namespace PeftCore.Tokenizers;

/// <summary>Members, items, slices and iteration of values.</summary>
internal static class JinjaMembers
{
    /// <summary>value.name: a method, else the item of that name.</summary>
    public static object? Attribute(object? value, string name, JinjaRun run) => value switch
    {
        JinjaUndefined undefined => throw JinjaError.Of($"'{undefined.Name}' is undefined, so it has no '{name}'"),
        JinjaNamespace space => space.Members.TryGetValue(name, out var member) ? member : new JinjaUndefined(name),
        JinjaLoop loop => loop.Member(name, run),
        JinjaDict dict => DictMethod(dict, name) ?? (dict.TryGet(name, out var item) ? item : new JinjaUndefined(name)),
        string text => JinjaStringMethods.Find(text, name) ?? (object)new JinjaUndefined(name),
        List<object?> list => ListMethod(list, name) ?? (object)new JinjaUndefined(name),
        _ => new JinjaUndefined(name),
    };

    /// <summary>value[index].</summary>
    public static object? Item(object? value, object? index, JinjaRun run)
    {
        switch (value)
        {
            case JinjaUndefined undefined:
                throw JinjaError.Of($"'{undefined.Name}' is undefined, so it has no items");
            case JinjaDict dict when dict.TryGet(index, out var item):
                return item;
            case List<object?> list when index is long at:
                at = at < 0 ? at + list.Count : at;
                return at >= 0 && at < list.Count ? list[(int)at] : new JinjaUndefined($"item {index}");
            case string text when index is long at:
                var points = CodePoints.HasSurrogates(text) ? Characters(text) : null;
                var count = points?.Count ?? text.Length;
                at = at < 0 ? at + count : at;
                return at >= 0 && at < count ? points?[(int)at] ?? text[(int)at].ToString() : new JinjaUndefined($"item {index}");
            default:
                return index is string name ? Attribute(value, name, run) : new JinjaUndefined($"item {JinjaOperators.Describe(index)}");
        }
    }

    public static object Slice(object? value, object? start, object? stop, object? step, JinjaRun run)
    {
        var items = value switch
        {
            List<object?> list => list,
            string text => Characters(text),
            _ => throw JinjaError.Of($"{JinjaOperators.Describe(value)} cannot be sliced"),
        };
        run.Spend(items.Count);
        var by = Bound(step) ?? 1;
        if (by == 0)
        {
            throw JinjaError.Of("a slice has a step of zero");
        }

        var count = items.Count;
        var (first, last) = by > 0
            ? (Clamp(Bound(start) ?? 0, count, 0, count), Clamp(Bound(stop) ?? count, count, 0, count))
            : (Clamp(Bound(start) ?? count - 1, count, -1, count - 1), stop is null ? -1 : Clamp(Bound(stop) ?? 0, count, -1, count - 1));
        var result = new List<object?>();
        for (var i = first; by > 0 ? i < last : i > last; i += Math.Clamp(by, -int.MaxValue, int.MaxValue))
        {
            result.Add(items[(int)i]);
        }

        return value is string ? string.Concat(result) : result;
    }

    public static List<object?> Iterate(object? value, JinjaRun run)
    {
        var items = value switch
        {
            List<object?> list => list,
            string text => Characters(text),
            JinjaDict dict => [.. dict.Items.Select(i => (object?)i.Key)],
            JinjaUndefined => [],
            _ => throw JinjaError.Of($"{JinjaOperators.Describe(value)} is not a list"),
        };
        run.Spend(items.Count);
        return items;
    }

    public static object Key(object? value) => value is string or long or double or bool
        ? value
        : throw JinjaError.Of($"{JinjaOperators.Describe(value)} cannot be a key");

    public static JinjaTuple Pair(object? key, object? value) => [key, value];

    private static List<object?> Characters(string text)
    {
        var result = new List<object?>(text.Length);
        for (var i = 0; i < text.Length;)
        {
            var length = text.AsSpan().CodePointLength(i);
            result.Add(text.Substring(i, length));
            i += length;
        }

        return result;
    }

    private static long? Bound(object? value) => value switch
    {
        null => null,
        long number => number,
        _ => throw JinjaError.Of($"a slice has the bound {JinjaOperators.Describe(value)}"),
    };

    private static long Clamp(long value, int count, long low, long high) => Math.Clamp(value < 0 ? value + count : value, low, Math.Max(low, high));

    private static JinjaFunction? DictMethod(JinjaDict dict, string name) => name switch
    {
        "items" => new JinjaFunction(name, (_, _) => dict.Items.Select(i => (object?)Pair(i.Key, i.Value)).ToList()),
        "keys" => new JinjaFunction(name, (_, _) => dict.Items.Select(i => (object?)i.Key).ToList()),
        "values" => new JinjaFunction(name, (_, _) => dict.Items.Select(i => i.Value).ToList()),
        "get" => new JinjaFunction(name, (args, _) => dict.TryGet(args[0, "key"], out var value) ? value : args.Get(1, "default", null)),
        "copy" => new JinjaFunction(name, (_, _) => dict),
        _ => null,
    };

    private static JinjaFunction? ListMethod(List<object?> list, string name) => name switch
    {
        "index" => new JinjaFunction(name, (args, run) => list.FindIndex(i => JinjaOperators.AreEqual(i, args[0, "value"], run)) is >= 0 and var at
            ? (long)at
            : throw JinjaError.Of($"{JinjaOperators.Describe(args[0, "value"])} is not in the list")),
        "count" => new JinjaFunction(name, (args, run) => (long)list.Count(i => JinjaOperators.AreEqual(i, args[0, "value"], run))),
        "copy" => new JinjaFunction(name, (_, _) => list),
        "append" or "extend" or "insert" or "pop" or "remove" or "clear" or "sort" or "reverse" => new JinjaFunction(name, (_, _) =>
            throw JinjaError.Of($"a template may not change a list with {name}; it can add lists with +")),
        _ => null,
    };
}

namespace PeftCore.Tokenizers;

/// <summary>map, select, reject and their variants: filters that apply other filters and tests, lazily as in Python.</summary>
internal static class JinjaSelectFilters
{
    public static object? Map(object? value, JinjaArguments arguments, JinjaRun run) =>
        new JinjaIterator("map", MapItems(value, arguments, run));

    public static object? Select(object? value, JinjaArguments arguments, JinjaRun run, bool byAttribute, bool keep) =>
        new JinjaIterator(arguments.Function, SelectItems(value, arguments, run, byAttribute, keep));

    private static IEnumerable<object?> MapItems(object? value, JinjaArguments arguments, JinjaRun run)
    {
        if (!JinjaOperators.IsTrue(value))
        {
            yield break;
        }

        Func<object?, object?> function;
        if (arguments.Positional.Count == 0 && arguments.Named.TryGetValue("attribute", out object? attribute))
        {
            if (arguments.Named.Keys.FirstOrDefault(k => k is not ("attribute" or "default")) is { } other)
            {
                throw JinjaError.Of($"map has no argument '{other}'");
            }

            var path = new JinjaPath(attribute, missing: arguments.Named.GetValueOrDefault("default"));
            function = item => path.Find(item, run);
        }
        else
        {
            string name = arguments.Positional.Count > 0 ? Name(arguments.Positional[0], "filter")
                : throw JinjaError.Of("map needs a filter");
            function = item => JinjaFilters.Apply(name, item, new JinjaArguments(name, arguments.Positional[1..], arguments.Named), run);
        }

        foreach (object? item in JinjaMembers.Iterate(value, run))
        {
            yield return function(item);
        }
    }

    private static IEnumerable<object?> SelectItems(object? value, JinjaArguments arguments, JinjaRun run, bool byAttribute, bool keep)
    {
        if (!JinjaOperators.IsTrue(value))
        {
            yield break;
        }

        var rest = arguments.Positional;
        JinjaPath? path = null;
        if (byAttribute)
        {
            path = new JinjaPath(rest.Count > 0 ? rest[0] : throw JinjaError.Of($"{arguments.Function} needs an attribute"));
            rest = rest[1..];
        }

        string? test = rest.Count > 0 ? Name(rest[0], "test") : null;
        var given = new JinjaArguments(test ?? "", rest.Count > 0 ? rest[1..] : [], arguments.Named);
        foreach (object? item in JinjaMembers.Iterate(value, run))
        {
            object? looked = path is null ? item : path.Find(item, run);
            if (JinjaOperators.IsTrue(test is null ? looked : JinjaTests.Check(test, looked, given, run)) == keep)
            {
                yield return item;
            }
        }
    }

    private static string Name(object? value, string what) => JinjaText.IsText(value)
        ? JinjaText.Str(value)
        : throw JinjaError.Of($"there is no {what} {JinjaText.Describe(value)}");
}

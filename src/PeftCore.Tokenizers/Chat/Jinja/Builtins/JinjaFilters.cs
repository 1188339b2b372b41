namespace PeftCore.Tokenizers;

/// <summary>Filters, the names after "|": all of Jinja 3.1, and tojson as transformers defines it.</summary>
internal static class JinjaFilters
{
    /// <summary>What a call costs at least, in characters.</summary>
    private const int CallCost = 32;

    private static readonly Dictionary<string, Func<object?, JinjaArguments, JinjaRun, object?>> All = Collect();

    public static IEnumerable<string> Names => All.Keys;

    public static bool IsKnown(string name) => All.ContainsKey(name);

    public static object? Apply(string name, object? value, JinjaArguments arguments, JinjaRun run)
    {
        run.Spend(CallCost);
        return All.TryGetValue(name, out var filter) ? run.Made(filter(value, arguments, run), value)
            : throw JinjaError.Of($"there is no filter '{name}'");
    }

    private static Dictionary<string, Func<object?, JinjaArguments, JinjaRun, object?>> Collect()
    {
        var all = new Dictionary<string, Func<object?, JinjaArguments, JinjaRun, object?>>(StringComparer.Ordinal)
        {
            ["map"] = JinjaSelectFilters.Map,
            ["select"] = (value, arguments, run) => JinjaSelectFilters.Select(value, arguments, run, byAttribute: false, keep: true),
            ["reject"] = (value, arguments, run) => JinjaSelectFilters.Select(value, arguments, run, byAttribute: false, keep: false),
            ["selectattr"] = (value, arguments, run) => JinjaSelectFilters.Select(value, arguments, run, byAttribute: true, keep: true),
            ["rejectattr"] = (value, arguments, run) => JinjaSelectFilters.Select(value, arguments, run, byAttribute: true, keep: false),
            ["format"] = JinjaTextFilters.Format,
        };
        foreach (var filter in JinjaTextFilters.All.Concat(JinjaListFilters.All).Concat(JinjaNumberFilters.All).Concat(JinjaWebFilters.All)
            .Concat(JinjaWrapFilters.All))
        {
            all.Add(filter.Name, filter.Call);
        }

        return all;
    }
}

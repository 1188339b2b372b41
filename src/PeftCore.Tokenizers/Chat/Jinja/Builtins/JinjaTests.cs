using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>Tests, the names after "is": all of Jinja 3.1.</summary>
internal static class JinjaTests
{
    private static readonly Dictionary<string, JinjaBuiltin> All = JinjaMethods.Table(
    [
        Make("defined", "", (value, _, _) => value is not JinjaUndefined),
        Make("undefined", "", (value, _, _) => value is JinjaUndefined),
        Make("none", "", (value, _, _) => value is null),
        Make("boolean", "", (value, _, _) => value is bool),
        Make("true", "", (value, _, _) => value is true),
        Make("false", "", (value, _, _) => value is false),
        Make("integer", "", (value, _, _) => value is long or BigInteger),
        Make("float", "", (value, _, _) => value is double),
        Make("number", "", (value, _, _) => JinjaNumbers.IsNumber(value)),
        Make("string", "", (value, _, _) => JinjaText.IsText(value)),
        Make("sequence", "", (value, _, _) => value is string or JinjaMarkup or List<object?> or JinjaDict or JinjaRange or JinjaUndefined),
        Make("iterable", "", (value, _, _) => value is JinjaLoop || JinjaMembers.ItemsOf(value) is not null),
        Make("mapping", "", (value, _, _) => value is JinjaDict),
        Make("callable", "", (value, _, _) => value is JinjaFunction or JinjaLoop or JinjaUndefined),
        Make("escaped", "", (value, _, _) => value is JinjaMarkup),
        Make("lower", "", (value, _, _) => JinjaStringKinds.IsLower(JinjaText.Str(value))),
        Make("upper", "", (value, _, _) => JinjaStringKinds.IsUpper(JinjaText.Str(value))),
        Make("odd", "", (value, _, run) => HasRemainder(value, 2L, 1L, run)),
        Make("even", "", (value, _, run) => HasRemainder(value, 2L, 0L, run)),
        Make("divisibleby", "num", (value, given, run) => HasRemainder(value, given[0], 0L, run)),
        Make("sameas", "other", (value, given, run) => IsSame(value, given[0], run)),
        Make("in", "seq", (value, given, run) => JinjaOperators.Contains(given[0], value, run)),
        Make("filter", "", (value, _, _) => JinjaDict.IsKey(value) ? JinjaText.IsText(value) && JinjaFilters.IsKnown(JinjaText.Str(value))
            : throw JinjaError.Of($"{JinjaText.Describe(value)} is not the name of a filter")),
        Make("test", "", (value, _, _) => JinjaDict.IsKey(value) ? JinjaText.IsText(value) && IsKnown(JinjaText.Str(value))
            : throw JinjaError.Of($"{JinjaText.Describe(value)} is not the name of a test")),
        .. Comparisons("==", "eq", "equalto"),
        .. Comparisons("!=", "ne"),
        .. Comparisons("<", "lt", "lessthan"),
        .. Comparisons("<=", "le"),
        .. Comparisons(">", "gt", "greaterthan"),
        .. Comparisons(">=", "ge"),
    ]);

    public static IEnumerable<string> Names => All.Keys;

    public static bool IsKnown(string name) => All.ContainsKey(name);

    public static bool Check(string name, object? value, JinjaArguments arguments, JinjaRun run) => All.TryGetValue(name, out var test)
        ? JinjaOperators.IsTrue(test.Call(value, arguments, run))
        : throw JinjaError.Of($"there is no test '{name}'");

    private static JinjaBuiltin Make(string name, string parameters, Func<object?, JinjaGiven, JinjaRun, bool> body) =>
        new(name, parameters, (value, given, run) => body(value, given, run));

    private static IEnumerable<JinjaBuiltin> Comparisons(params string[] names) =>
        names.Select(name => Make(name, "_other", (value, given, run) => JinjaOperators.Compare(names[0], value, given[0], run)));

    private static bool HasRemainder(object? value, object? divisor, object? expected, JinjaRun run) =>
        JinjaOperators.AreEqual(JinjaOperators.Binary("%", value, divisor, run), expected, run);

    /// <summary>Identity ("is sameas"). For equal numbers and strings it depends on Python's implementation, except for small
    /// integers.</summary>
    private static bool IsSame(object? value, object? other, JinjaRun run) => value switch
    {
        null or bool => Equals(value, other),
        _ when ReferenceEquals(value, other) => true,
        long number when other is long => Equals(value, other) && (number is >= -5 and <= 256 ? true : throw Unclear()),
        double or string or BigInteger or JinjaTuple when value.GetType() == other?.GetType() =>
            JinjaOperators.AreEqual(value, other, run) ? throw Unclear() : false,
        _ => false,
    };

    private static BadInputException Unclear() =>
        JinjaError.Of("'sameas' compares equal values, and Python does not say whether they are one");
}

namespace PeftCore.Tokenizers;

/// <summary>The attributes and methods that values have in Python.</summary>
internal static class JinjaMethods
{
    // The sandbox of chat templates does not let them change lists and dictionaries.
    private static readonly string[] ListChanges = ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"];
    private static readonly string[] DictChanges = ["clear", "pop", "popitem", "setdefault", "update"];

    private static readonly Dictionary<string, JinjaBuiltin> OfLists = Table(
        new("index", "_value _start= _stop=", (list, given, run) => Index(JinjaMembers.ToList(list, run), given, run)),
        new("count", "_value", (list, given, run) => (long)JinjaMembers.Iterate(list, run).Count(i =>
            JinjaOperators.AreEqual(i, given[0], run))));

    private static readonly Dictionary<string, JinjaBuiltin> OfDicts = Table(
        new("items", "", (dict, _, _) => new JinjaDictView((JinjaDict)dict!, "items")),
        new("keys", "", (dict, _, _) => new JinjaDictView((JinjaDict)dict!, "keys")),
        new("values", "", (dict, _, _) => new JinjaDictView((JinjaDict)dict!, "values")),
        new("get", "_key _default=", (dict, given, _) => ((JinjaDict)dict!).TryGet(given[0], out object? value) ? value
            : given.Get(1, null)),
        new("copy", "", (dict, _, _) => ((JinjaDict)dict!).Copy()));

    private static readonly Dictionary<string, JinjaBuiltin> OfNumbers = Table(
        new("is_integer", "", (value, _, _) => value is double real && double.IsFinite(real) && Math.Floor(real) == real),
        new("bit_length", "", (value, _, _) => (long)System.Numerics.BigInteger.Abs(JinjaNumbers.ToBig(value!)).GetBitLength()),
        new("conjugate", "", (value, _, _) => JinjaOperators.Sign(value, negate: false)));

    /// <summary>The methods of strings, lists, tuples and dictionaries that a template can call.</summary>
    public static IReadOnlyDictionary<string, IEnumerable<string>> Names { get; } = new Dictionary<string, IEnumerable<string>>
    {
        ["str"] = JinjaStringMethods.Names,
        ["list"] = OfLists.Keys.Append("copy"),
        ["dict"] = OfDicts.Keys,
    };

    /// <summary>The attribute of a value; <see cref="JinjaMissing"/> if it has none of the name.</summary>
    public static object? Find(object? value, string name)
    {
        if (name.StartsWith('_'))
        {
            return JinjaMissing.Value;
        }

        return value switch
        {
            string or JinjaMarkup => JinjaStringMethods.Find(value, name),
            JinjaGroup group when name is "grouper" or "list" => group[name == "list" ? 1 : 0],
            JinjaTuple or JinjaRange when OfLists.TryGetValue(name, out var method) => Bound(value, method),
            JinjaRange range when name is "start" or "stop" or "step" => name switch
            {
                "start" => range.Start,
                "stop" => range.Stop,
                _ =>
                range.Step
            },
            JinjaTuple => JinjaMissing.Value,
            List<object?> list => name == "copy" ? Bound(value, new JinjaBuiltin(name, "", (_, _, _) => list.ToList()))
                : OfLists.TryGetValue(name, out var method) ? Bound(value, method)
                : ListChanges.Contains(name) ? Forbidden("list", name)
                : JinjaMissing.Value,
            JinjaDict => OfDicts.TryGetValue(name, out var method) ? Bound(value, method)
                : DictChanges.Contains(name) ? Forbidden("dictionary", name)
                : name == "fromkeys" ? throw Unknown("dictionaries", name)
                : JinjaMissing.Value,
            JinjaCycler cycler => cycler.Member(name),
            JinjaFunction { Text: { } text } when text.StartsWith("<class", StringComparison.Ordinal) => throw Unknown("classes", name),
            double or bool or long or System.Numerics.BigInteger => OfNumber(value, name),
            _ => JinjaMissing.Value,
        };
    }

    public static JinjaFunction Bound(object? value, JinjaBuiltin method) =>
        new(method.Name, null, (arguments, run) => run.Made(method.Call(value, arguments, run), value));

    public static BadInputException Unknown(string what, string name) => JinjaError.Of($"it uses the attribute '{name}' of {what}");

    public static Dictionary<string, JinjaBuiltin> Table(params JinjaBuiltin[] methods) => methods.ToDictionary(m =>
        m.Name, StringComparer.Ordinal);

    private static object? OfNumber(object value, string name) => name switch
    {
        "real" => value is bool ? JinjaOperators.Sign(value, negate: false) : value,
        "imag" => value is double ? (object)0.0 : 0L,
        "numerator" when value is not double => JinjaOperators.Sign(value, negate: false),
        "denominator" when value is not double => 1L,
        "is_integer" when value is double => Bound(value, OfNumbers[name]),
        "conjugate" => Bound(value, OfNumbers[name]),
        "bit_length" when value is not double => Bound(value, OfNumbers[name]),
        "as_integer_ratio" or "hex" or "fromhex" or "to_bytes" or "from_bytes" or "bit_count" => throw Unknown("numbers", name),
        _ => JinjaMissing.Value,
    };

    private static JinjaUndefined Forbidden(string what, string name) =>
        new($"a template may not change a {what} with {name}; it can make new ones");

    private static object? Index(List<object?> list, JinjaGiven given, JinjaRun run)
    {
        int start = Clamp(given.Index(1, 0), list.Count);
        int stop = Clamp(given.Index(2, list.Count), list.Count);
        for (int i = start; i < stop; i++)
        {
            if (JinjaOperators.AreEqual(list[i], given[0], run))
            {
                return (long)i;
            }
        }

        throw JinjaError.Of($"{JinjaText.Describe(given[0])} is not in the list");
    }

    private static int Clamp(long index, int count) => (int)Math.Clamp(index < 0 ? index + count : index, 0, count);
}

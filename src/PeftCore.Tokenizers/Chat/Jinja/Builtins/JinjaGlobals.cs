namespace PeftCore.Tokenizers;

/// <summary>The functions that every chat template can call.</summary>
internal static class JinjaGlobals
{
    // Python's sandbox has the same bound.
    private const int MaxRange = 100_000;

    private static readonly JinjaFunction[] All =
    [
        Make("raise_exception", null, "message", (_, given, _) => throw JinjaError.Of(JinjaText.Str(given[0]))),
        Make("strftime_now", null, "format", (_, given, run) => JinjaTime.Format(given.Text(0), run.Clock.GetLocalNow())),
        Make("range", null, "_start _stop= _step=", (_, given, _) => Range(given)),
        Make("lipsum", null, "n= html= min= max=", (_, _, _) => throw JinjaError.Of("it calls lipsum, whose result nobody can reproduce")),
        new("dict", "<class 'dict'>", MakeDict),
        new("namespace", "<class 'jinja2.utils.Namespace'>", MakeNamespace),
        new("cycler", "<class 'jinja2.utils.Cycler'>", (arguments, _) => new JinjaCycler(arguments)),
        Make("joiner", "<class 'jinja2.utils.Joiner'>", "sep=", (_, given, _) => MakeJoiner(given.Get(0, ", "))),
    ];

    public static IEnumerable<string> Names => All.Select(f => f.Name);

    public static void AddTo(JinjaScope scope)
    {
        foreach (var function in All)
        {
            scope[function.Name] = function;
        }
    }

    private static JinjaFunction Make(string name, string? text, string parameters, Func<object?, JinjaGiven, JinjaRun, object?> body)
    {
        var builtin = new JinjaBuiltin(name, parameters, body);
        return new JinjaFunction(name, text, (arguments, run) => builtin.Call(null, arguments, run));
    }

    private static JinjaRange Range(JinjaGiven given)
    {
        var (start, stop) = given.Has(1) ? (given.Integer(0), given.Integer(1)) : (0, given.Integer(0));
        long step = given.Integer(2, 1);
        if (step == 0)
        {
            throw JinjaError.Of("range has a step of zero");
        }

        var range = new JinjaRange(start, stop, step);
        return range.Count is >= 0 and <= MaxRange ? range : throw JinjaError.Of($"range has more than {MaxRange} numbers");
    }

    private static JinjaNamespace MakeNamespace(JinjaArguments arguments, JinjaRun run)
    {
        var space = new JinjaNamespace();
        foreach (var (key, value) in MakeDict(arguments, run).Items)
        {
            space.Members[key] = value;
        }

        return space;
    }

    private static JinjaDict MakeDict(JinjaArguments arguments, JinjaRun run)
    {
        var dict = new JinjaDict();
        switch (arguments.Positional)
        {
            case []:
                break;
            case [JinjaUndefined undefined]:
                throw undefined.Raise();
            case [JinjaDict other]:
                dict = other.Copy();
                break;
            case [var pairs]:
                foreach (object? item in JinjaMembers.Iterate(pairs, run))
                {
                    dict[JinjaMembers.ToList(item, run) is [var key, var value]
                        ? key : throw JinjaError.Of($"{arguments.Function} needs pairs of key and value")]
                        = value;
                }

                break;
            default:
                throw JinjaError.Of($"{arguments.Function} takes at most one argument without name");
        }

        foreach (var (key, value) in arguments.Named)
        {
            dict[key] = value;
        }

        return dict;
    }

    private static JinjaFunction MakeJoiner(object? separator)
    {
        bool used = false;
        return new JinjaFunction("joiner", null, (arguments, _) =>
        {
            if (arguments.Positional.Count + arguments.Named.Count > 0)
            {
                throw JinjaError.Of("a joiner takes no arguments");
            }

            object? result = used ? separator : "";
            used = true;
            return result;
        });
    }
}

/// <summary>What cycler(…) makes: its members next, reset, current.</summary>
internal sealed class JinjaCycler
{
    private readonly List<object?> _items;
    private int _at;

    public JinjaCycler(JinjaArguments arguments)
    {
        _items = arguments.Positional;
        if (_items.Count == 0 || arguments.Named.Count > 0)
        {
            throw JinjaError.Of("cycler takes at least one argument, without name");
        }
    }

    public object? Member(string name) => name switch
    {
        "next" => new JinjaFunction(name, null, (arguments, _) => Next(arguments, _items[_at], (_at + 1) % _items.Count)),
        "reset" => new JinjaFunction(name, null, (arguments, _) => Next(arguments, null, 0)),
        "current" => _items[_at],
        "items" => new JinjaTuple(_items),
        "pos" => (long)_at,
        _ => JinjaMissing.Value,
    };

    private object? Next(JinjaArguments arguments, object? result, int at)
    {
        _at = arguments.Positional.Count + arguments.Named.Count == 0
            ? at : throw JinjaError.Of("the methods of a cycler take no arguments");
        return result;
    }
}

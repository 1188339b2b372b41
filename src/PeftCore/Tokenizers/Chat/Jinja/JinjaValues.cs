namespace PeftCore.Tokenizers;

/// <summary>The value of a name that has none. It prints as nothing, is false and has no members.</summary>
internal sealed class JinjaUndefined(string name)
{
    public string Name => name;
}

/// <summary>A list that prints as a tuple.</summary>
internal sealed class JinjaTuple : List<object?>;

/// <summary>A dictionary that keeps the order of its keys. Keys are strings, numbers or booleans.</summary>
internal sealed class JinjaDict
{
    private readonly OrderedDictionary<object, object?> _items = [];

    public int Count => _items.Count;

    public IEnumerable<KeyValuePair<object, object?>> Items => _items;

    public object? this[object key]
    {
        set => _items[Normalize(key)] = value;
    }

    public bool TryGet(object? key, out object? value)
    {
        value = null;
        return key is not null && _items.TryGetValue(Normalize(key), out value);
    }

    /// <summary>In Python 1, 1.0 and True are one key.</summary>
    private static object Normalize(object key) => key switch
    {
        bool b => b ? 1L : 0L,
        double d when d == Math.Floor(d) && Math.Abs(d) < long.MaxValue => (long)d,
        _ => key,
    };
}

/// <summary>What namespace() makes: the one value whose members a template can set.</summary>
internal sealed class JinjaNamespace
{
    public Dictionary<string, object?> Members { get; } = new(StringComparer.Ordinal);
}

/// <summary>A macro, a global function or the method of a value.</summary>
internal sealed class JinjaFunction(string name, Func<JinjaArguments, JinjaRun, object?> body)
{
    public string Name => name;

    public object? Call(JinjaArguments arguments, JinjaRun run) => body(arguments, run);
}

/// <summary>The arguments of a call, filter or test.</summary>
internal sealed class JinjaArguments(string function, List<object?> positional, Dictionary<string, object?> named)
{
    public IReadOnlyList<object?> Positional => positional;

    public IReadOnlyDictionary<string, object?> Named => named;

    /// <summary>The argument at a place or of a name.</summary>
    public object? this[int index, string name] =>
        index < positional.Count ? positional[index]
        : named.TryGetValue(name, out var value) ? value
        : throw JinjaError.Of($"{function} needs an argument '{name}'");

    public object? Get(int index, string name, object? missing) =>
        index < positional.Count ? positional[index] : named.GetValueOrDefault(name, missing);

    public string Text(int index, string name, string? missing = null) => Get(index, name, missing) switch
    {
        string text => text,
        null when missing is null => throw JinjaError.Of($"{function} needs a string '{name}'"),
        var other => throw JinjaError.Of($"{function} needs a string '{name}', not {JinjaText.Repr(other)}"),
    };

    public long Integer(int index, string name, long missing) => Get(index, name, missing) switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        var other => throw JinjaError.Of($"{function} needs a whole number '{name}', not {JinjaText.Repr(other)}"),
    };
}

/// <summary>The variable "loop".</summary>
internal sealed class JinjaLoop(List<object?> items, int depth)
{
    private object? _last;
    private bool _hasLast;

    public int Index { get; set; }

    public object? Member(string name, JinjaRun run) => name switch
    {
        "index" => (long)Index + 1,
        "index0" => (long)Index,
        "revindex" => (long)items.Count - Index,
        "revindex0" => (long)items.Count - Index - 1,
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => (long)items.Count,
        "depth" => (long)depth,
        "depth0" => (long)depth - 1,
        "previtem" => Index > 0 ? items[Index - 1] : new JinjaUndefined("loop.previtem"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new JinjaUndefined("loop.nextitem"),
        "cycle" => new JinjaFunction("cycle", (args, _) => args.Positional.Count == 0
            ? throw JinjaError.Of("loop.cycle needs at least one argument")
            : args.Positional[Index % args.Positional.Count]),
        "changed" => new JinjaFunction("changed", (args, _) => Changed([.. args.Positional], run)),
        _ => new JinjaUndefined($"loop.{name}"),
    };

    private object Changed(List<object?> value, JinjaRun run)
    {
        var same = _hasLast && JinjaOperators.AreEqual(_last, value, run);
        (_last, _hasLast) = (value, true);
        return !same;
    }
}

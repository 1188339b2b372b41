namespace PeftCore.Tokenizers;

// A template is a program in a dynamically typed language, so values of templates are object? throughout this assembly: null, bool, long,
// BigInteger, double, string, List<object?>, JinjaDict, the types below and functions (docs/decisions/tokenizers.md). JinjaJson converts
// what callers give.

/// <summary>The mark of a variable or argument that was not given.</summary>
internal sealed class JinjaMissing
{
    private JinjaMissing()
    {
    }

    public static JinjaMissing Value { get; } = new();
}

/// <summary>The value of what has none. It prints as nothing, is false and empty; most other uses raise <see cref="Why"/>.</summary>
internal sealed class JinjaUndefined(Func<string> why)
{
    public JinjaUndefined(string why)
        : this(() => why)
    {
    }

    public string Why => why();

    public static JinjaUndefined Name(string name) => new($"'{name}' is undefined");

    public BadInputException Raise() => JinjaError.Of(why());
}

/// <summary>A tuple. It is not equal to a list of the same items.</summary>
internal class JinjaTuple : List<object?>
{
    public JinjaTuple()
    {
    }

    public JinjaTuple(IEnumerable<object?> items)
        : base(items)
    {
    }
}

/// <summary>What groupby gives: a pair with names.</summary>
internal sealed class JinjaGroup(object? grouper, List<object?> list) : JinjaTuple([grouper, list]);

/// <summary>Text that is escaped for HTML already.</summary>
internal sealed class JinjaMarkup(string text)
{
    public string Text => text;
}

/// <summary>A view of a dictionary: its keys, values or items.</summary>
internal sealed class JinjaDictView(JinjaDict dict, string kind)
{
    public JinjaDict Dict => dict;

    public string Kind => kind;

    public IEnumerable<object?> Items => kind switch
    {
        "keys" => dict.Items.Select(i => i.Key),
        "values" => dict.Items.Select(i => i.Value),
        _ => dict.Items.Select(i => (object?)new JinjaTuple([i.Key, i.Value])),
    };
}

/// <summary>Python's range.</summary>
internal sealed class JinjaRange(long start, long stop, long step)
{
    public long Start => start;

    public long Stop => stop;

    public long Step => step;

    public long Count { get; } = step > 0
        ? (start < stop ? (long)(((ulong)stop - (ulong)start - 1) / (ulong)step) + 1 : 0)
        : (start > stop ? (long)(((ulong)start - (ulong)stop - 1) / (ulong)-step) + 1 : 0);

    public IEnumerable<object?> Items
    {
        get
        {
            for (long i = 0L; i < Count; i++)
            {
                yield return this[i];
            }
        }
    }

    public long this[long index] => start + index * step;
}

/// <summary>What Python computes one by one and only once, such as the result of map.</summary>
internal sealed class JinjaIterator(string kind, IEnumerable<object?> items)
{
    private readonly IEnumerator<object?> _rest = items.GetEnumerator();

    public string Kind => kind;

    public IEnumerable<object?> Remaining()
    {
        while (_rest.MoveNext())
        {
            yield return _rest.Current;
        }
    }
}

/// <summary>What namespace() makes: the one value whose members a template can set.</summary>
internal sealed class JinjaNamespace
{
    public JinjaDict Members { get; } = new();
}

/// <summary>A global function, a method of a value, or a macro.</summary>
internal sealed class JinjaFunction(string name, string? text, Func<JinjaArguments, JinjaRun, object?> body)
{
    public string Name => name;

    /// <summary>How Python prints it, or null if that would tell an address.</summary>
    public string? Text => text;

    /// <summary>The attributes that a template can read.</summary>
    public JinjaDict? Members { get; init; }

    public object? Call(JinjaArguments arguments, JinjaRun run) => body(arguments, run);
}

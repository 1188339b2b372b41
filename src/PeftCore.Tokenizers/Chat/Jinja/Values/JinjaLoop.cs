namespace PeftCore.Tokenizers;

/// <summary>The variable "loop". Items are read one by one, so that a condition can read what the loop has set so far; only some members
/// read ahead.</summary>
internal sealed class JinjaLoop(object? source, IEnumerable<object?> items, int depth, Func<object?, int, object?>? recurse, JinjaRun run)
{
    private readonly IEnumerator<object?> _items = items.GetEnumerator();
    private readonly Queue<object?> _ahead = [];
    private object? _before = JinjaMissing.Value;
    private object? _current = JinjaMissing.Value;
    private object? _changed = JinjaMissing.Value;
    private long? _length = source is null ? null : JinjaMembers.Length(source);

    public long Index0 { get; private set; } = -1;

    public long Length
    {
        get
        {
            while (_length is null && Fetch())
            {
            }

            return _length ??= Index0 + 1 + _ahead.Count;
        }
    }

    public object? Current => _current;

    public bool MoveNext()
    {
        if (_ahead.Count == 0 && !Fetch())
        {
            return false;
        }

        Index0++;
        (_before, _current) = (_current, _ahead.Dequeue());
        return true;
    }

    public object? Member(string name, JinjaRun run) => name switch
    {
        "index" => Index0 + 1,
        "index0" => Index0,
        "revindex" => Length - Index0,
        "revindex0" => Length - Index0 - 1,
        "first" => Index0 == 0,
        "last" => !HasNext(),
        "length" => Length,
        "depth" => depth + 1L,
        "depth0" => (long)depth,
        "previtem" => Index0 > 0 ? _before : new JinjaUndefined("there is no previous item"),
        "nextitem" => HasNext() ? _ahead.Peek() : new JinjaUndefined("there is no next item"),
        "cycle" => new JinjaFunction(name, null, (args, _) => args.Positional.Count == 0 || args.Named.Count > 0
            ? throw JinjaError.Of("loop.cycle takes at least one argument, without name")
            : args.Positional[(int)(Index0 % args.Positional.Count)]),
        "changed" => new JinjaFunction(name, null, (args, _) => args.Named.Count > 0
            ? throw JinjaError.Of("loop.changed takes arguments without name")
            : Changed(new JinjaTuple(args.Positional))),
        _ => JinjaMissing.Value,
    };

    /// <summary>loop(items) writes the body of a recursive loop for other items.</summary>
    public object? Recurse(JinjaArguments arguments) => recurse is null
        ? throw JinjaError.Of("a loop is called that is not recursive")
        : arguments.Positional.Count == 1 && arguments.Named.Count == 0
        ? recurse(arguments.Positional[0], depth + 1)
        : throw JinjaError.Of("loop(…) takes one argument");

    private bool HasNext() => _ahead.Count > 0 || Fetch();

    private bool Fetch()
    {
        if (!_items.MoveNext())
        {
            return false;
        }

        _ahead.Enqueue(_items.Current);
        return true;
    }

    private object Changed(JinjaTuple value)
    {
        bool same = !ReferenceEquals(_changed, JinjaMissing.Value) && JinjaOperators.AreEqual(_changed, value, run);
        _changed = value;
        return !same;
    }
}

namespace PeftCore.Tokenizers;

/// <summary>The arguments of a call, filter or test.</summary>
internal sealed class JinjaArguments(string function, List<object?> positional, Dictionary<string, object?> named)
{
    public string Function => function;

    public List<object?> Positional => positional;

    /// <summary>In the order in which they are given.</summary>
    public Dictionary<string, object?> Named => named;

    public object?[] Bind(JinjaSignature signature) => signature.Bind(this);
}

/// <summary>The parameters of a function in the form "sep= maxsplit=": "=" makes one optional, "_" before it says that it cannot be
/// named.</summary>
internal sealed class JinjaSignature(string parameters)
{
    private readonly string[] _names = [.. parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(p => p.TrimEnd('='))];
    private readonly int _required = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries).Count(p => !p.EndsWith('='));

    /// <summary>One value for each parameter; <see cref="JinjaMissing"/> for those that are not given.</summary>
    public object?[] Bind(JinjaArguments arguments)
    {
        if (arguments.Positional.Count > _names.Length)
        {
            throw JinjaError.Of($"{arguments.Function} takes {_names.Length} arguments, not {arguments.Positional.Count}");
        }

        object?[] values = new object?[_names.Length];
        Array.Fill(values, JinjaMissing.Value);
        arguments.Positional.CopyTo(values);
        foreach (var (name, value) in arguments.Named)
        {
            int at = Array.IndexOf(_names, name);
            if (at < 0 || values[at] != JinjaMissing.Value)
            {
                throw JinjaError.Of($"{arguments.Function} {(at < 0 ? "has no argument" : "gets twice the argument")} '{name}'");
            }

            values[at] = value;
        }

        int missing = Array.IndexOf(values, JinjaMissing.Value);
        return missing < 0 || missing >= _required
            ? values
            : throw JinjaError.Of($"{arguments.Function} needs an argument '{_names[missing].TrimStart('_')}'");
    }
}

/// <summary>A filter, test or method: what it is given, and what it does with the value before it.</summary>
internal sealed class JinjaBuiltin(string name, string parameters, Func<object?, JinjaGiven, JinjaRun, object?> body)
{
    private readonly JinjaSignature _signature = new(parameters);

    public string Name => name;

    public object? Call(object? target, JinjaArguments arguments, JinjaRun run)
    {
        run.Read(target);
        return body(target, new JinjaGiven(name, arguments.Bind(_signature)), run);
    }
}

/// <summary>The values of a function's parameters.</summary>
internal readonly struct JinjaGiven(string function, object?[] values)
{
    public object? this[int index] => values[index];

    public bool Has(int index) => values[index] != JinjaMissing.Value;

    public object? Get(int index, object? missing) => Has(index) ? values[index] : missing;

    public bool Flag(int index, bool missing = false) => Has(index) ? JinjaOperators.IsTrue(values[index]) : missing;

    public string Text(int index, string? missing = null) => !Has(index) && missing is not null ? missing
        : JinjaText.IsText(values[index]) ? JinjaText.Str(values[index])
        : throw Bad(index, "a string");

    public long Integer(int index, long missing = 0) => !Has(index) ? missing : ToLong(values[index]) ?? throw Bad(index, "a whole number");

    /// <summary>An integer argument; None and an absent one are <paramref name="missing"/>.</summary>
    public long Index(int index, long missing) => !Has(index) || values[index] is null ? missing : Integer(index);

    private static long? ToLong(object? value) => value switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        System.Numerics.BigInteger big => big.Sign < 0 ? long.MinValue / 4 : long.MaxValue / 4,
        _ => null,
    };

    private BadInputException Bad(int index, string expected) => values[index] is JinjaUndefined undefined ? undefined.Raise()
        : JinjaError.Of($"{function} takes {expected}, not {JinjaText.Describe(values[index])}");
}

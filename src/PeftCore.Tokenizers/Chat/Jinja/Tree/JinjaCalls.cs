namespace PeftCore.Tokenizers;

/// <summary>The arguments of a call as they are written: f(1, *more, name=2, **others).</summary>
internal sealed class JinjaArgumentList(
    List<JinjaExpression> positional, List<(string Name, JinjaExpression Value)> named, JinjaExpression? more, JinjaExpression? others)
        : JinjaNode
{
    public static JinjaArgumentList Empty { get; } = new([], [], null, null);

    public override IEnumerable<JinjaNode> Children => positional.Concat(named.Select(n =>
        n.Value)).Concat(new[] { more, others }.OfType<JinjaExpression>());

    public JinjaArguments Evaluate(string function, JinjaFrame frame, JinjaRun run, JinjaFunction? caller = null)
    {
        var values = positional.Select(a => a.Evaluate(frame, run)).ToList();
        var names = named.ToDictionary(n => n.Name, n => n.Value.Evaluate(frame, run), StringComparer.Ordinal);
        if (caller is not null && !names.TryAdd("caller", caller))
        {
            throw JinjaError.Of($"a call block gives {function} a second 'caller'");
        }

        if (more is not null)
        {
            values.AddRange(JinjaMembers.Iterate(more.Evaluate(frame, run), run));
        }

        if (others is not null)
        {
            var dict = others.Evaluate(frame, run) as JinjaDict ?? throw JinjaError.Of($"{function} is called with ** and no dictionary");
            foreach (var (key, value) in dict.Items)
            {
                if (key is not string name || !names.TryAdd(name, value))
                {
                    throw JinjaError.Of($"{function} is called with the name {JinjaText.Describe(key)} by **");
                }
            }
        }

        return new JinjaArguments(function, values, names);
    }
}

internal sealed class JinjaCall(JinjaExpression target, JinjaArgumentList arguments) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [target, arguments];

    public object? Call(JinjaFrame frame, JinjaRun run, JinjaFunction? caller) => target.Evaluate(frame, run) switch
    {
        JinjaFunction function => function.Call(arguments.Evaluate(function.Name, frame, run, caller), run),
        JinjaLoop loop => loop.Recurse(arguments.Evaluate("loop", frame, run, caller)),
        JinjaUndefined undefined => throw undefined.Raise(),
        var other => throw JinjaError.Of($"{JinjaText.Describe(other)} cannot be called"),
    };

    protected override object? Value(JinjaFrame frame, JinjaRun run) => Call(frame, run, caller: null);
}

internal sealed class JinjaFilter(JinjaExpression? target, string name, JinjaArgumentList arguments, int line) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => target is null ? [arguments] : [target, arguments];

    public override void Bind(JinjaBinding binding)
    {
        if (!JinjaFilters.IsKnown(name) && !binding.IsOptional)
        {
            throw JinjaError.At(line, $"there is no filter '{name}'");
        }

        base.Bind(binding);
    }

    public object? Apply(object? value, JinjaFrame frame, JinjaRun run) =>
        JinjaFilters.Apply(name, value, arguments.Evaluate(name, frame, run), run);

    // The filter of a filter block has no target: Apply is called with what the block writes.
    protected override object? Value(JinjaFrame frame, JinjaRun run) => Apply(target?.Evaluate(frame, run), frame, run);
}

internal sealed class JinjaTest(JinjaExpression target, string name, JinjaArgumentList arguments, int line) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [target, arguments];

    public override void Bind(JinjaBinding binding)
    {
        if (!JinjaTests.IsKnown(name) && !binding.IsOptional)
        {
            throw JinjaError.At(line, $"there is no test '{name}'");
        }

        base.Bind(binding);
    }

    protected override object? Value(JinjaFrame frame, JinjaRun run) =>
        JinjaTests.Check(name, target.Evaluate(frame, run), arguments.Evaluate(name, frame, run), run);
}

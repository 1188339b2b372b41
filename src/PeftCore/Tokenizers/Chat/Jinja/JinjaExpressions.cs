namespace PeftCore.Tokenizers;

/// <summary>A part of a template that has a value.</summary>
internal abstract class JinjaExpression
{
    public object? Evaluate(JinjaScope scope, JinjaRun run)
    {
        run.Step();
        return Value(scope, run);
    }

    public bool IsTrue(JinjaScope scope, JinjaRun run) => JinjaOperators.IsTrue(Evaluate(scope, run));

    protected abstract object? Value(JinjaScope scope, JinjaRun run);
}

internal sealed class JinjaConstant(object? value) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) => value;
}

internal sealed class JinjaName(string name) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) => scope[name];
}

internal sealed class JinjaListExpression(List<JinjaExpression> items, bool isTuple) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run)
    {
        var values = isTuple ? new JinjaTuple() : new List<object?>(items.Count);
        values.AddRange(items.Select(i => i.Evaluate(scope, run)));
        return values;
    }
}

internal sealed class JinjaDictExpression(List<(JinjaExpression Key, JinjaExpression Value)> items) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run)
    {
        var dict = new JinjaDict();
        foreach (var (key, value) in items)
        {
            dict[JinjaMembers.Key(key.Evaluate(scope, run))] = value.Evaluate(scope, run);
        }

        return dict;
    }
}

internal sealed class JinjaMember(JinjaExpression target, string name) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) => JinjaMembers.Attribute(target.Evaluate(scope, run), name, run);
}

internal sealed class JinjaItem(JinjaExpression target, JinjaExpression index) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) =>
        JinjaMembers.Item(target.Evaluate(scope, run), index.Evaluate(scope, run), run);
}

internal sealed class JinjaSlice(JinjaExpression target, JinjaExpression? start, JinjaExpression? stop, JinjaExpression? step) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) => JinjaMembers.Slice(
        target.Evaluate(scope, run), start?.Evaluate(scope, run), stop?.Evaluate(scope, run), step?.Evaluate(scope, run), run);
}

/// <summary>The arguments of a call as they are written.</summary>
internal sealed class JinjaArgumentList(List<JinjaExpression> positional, List<(string Name, JinjaExpression Value)> named)
{
    public static JinjaArgumentList Empty { get; } = new([], []);

    public JinjaArguments Evaluate(string function, JinjaScope scope, JinjaRun run, params ReadOnlySpan<object?> first)
    {
        var values = new List<object?>(first.Length + positional.Count);
        values.AddRange(first);
        foreach (var argument in positional)
        {
            values.Add(argument.Evaluate(scope, run));
        }

        return new JinjaArguments(function, values, named.ToDictionary(n => n.Name, n => n.Value.Evaluate(scope, run), StringComparer.Ordinal));
    }
}

internal sealed class JinjaCall(JinjaExpression target, JinjaArgumentList arguments) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) => target.Evaluate(scope, run) switch
    {
        JinjaFunction function => run.Made(function.Call(arguments.Evaluate(function.Name, scope, run), run), null),
        var other => throw JinjaError.Of($"{JinjaOperators.Describe(other)} is not a function"),
    };
}

internal sealed class JinjaFilter(JinjaExpression? target, string name, JinjaArgumentList arguments) : JinjaExpression
{
    public object? Apply(object? value, JinjaScope scope, JinjaRun run) =>
        JinjaFilters.Apply(name, value, arguments.Evaluate(name, scope, run), run);

    // The filter of a filter block has no target: Apply is called with what the block writes.
    protected override object? Value(JinjaScope scope, JinjaRun run) => Apply(target?.Evaluate(scope, run), scope, run);
}

internal sealed class JinjaTest(JinjaExpression target, string name, JinjaArgumentList arguments, bool negated) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) =>
        JinjaTests.Check(name, target.Evaluate(scope, run), arguments.Evaluate(name, scope, run), run) != negated;
}

internal sealed class JinjaNot(JinjaExpression operand) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) => !operand.IsTrue(scope, run);
}

internal sealed class JinjaNegative(JinjaExpression operand, bool negate) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run)
    {
        var value = operand.Evaluate(scope, run);
        return negate ? JinjaOperators.Negate(value) : value;
    }
}

/// <summary>"and" and "or", which give one of their operands.</summary>
internal sealed class JinjaLogic(JinjaExpression left, JinjaExpression right, bool isAnd) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run)
    {
        var value = left.Evaluate(scope, run);
        return JinjaOperators.IsTrue(value) == isAnd ? right.Evaluate(scope, run) : value;
    }
}

internal sealed class JinjaBinary(string name, JinjaExpression left, JinjaExpression right) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run)
    {
        var (a, b) = (left.Evaluate(scope, run), right.Evaluate(scope, run));
        return name == "~" ? run.Made(JinjaText.Str(a) + JinjaText.Str(b)) : JinjaOperators.Binary(name, a, b, run);
    }
}

/// <summary>A chain of comparisons such as 0 &lt; x &lt;= 5.</summary>
internal sealed class JinjaComparison(JinjaExpression first, List<(string Name, JinjaExpression Operand)> rest) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run)
    {
        var left = first.Evaluate(scope, run);
        foreach (var (name, operand) in rest)
        {
            var right = operand.Evaluate(scope, run);
            var holds = name switch
            {
                "==" => JinjaOperators.AreEqual(left, right, run),
                "!=" => !JinjaOperators.AreEqual(left, right, run),
                "in" => JinjaOperators.Contains(right, left, run),
                "not in" => !JinjaOperators.Contains(right, left, run),
                "<" => JinjaOperators.Compare(left, right, run) < 0,
                "<=" => JinjaOperators.Compare(left, right, run) <= 0,
                ">" => JinjaOperators.Compare(left, right, run) > 0,
                _ => JinjaOperators.Compare(left, right, run) >= 0,
            };
            if (!holds)
            {
                return false;
            }

            left = right;
        }

        return true;
    }
}

internal sealed class JinjaConditional(JinjaExpression condition, JinjaExpression whenTrue, JinjaExpression? whenFalse) : JinjaExpression
{
    protected override object? Value(JinjaScope scope, JinjaRun run) =>
        condition.IsTrue(scope, run) ? whenTrue.Evaluate(scope, run)
        : whenFalse is null ? new JinjaUndefined("the else of a condition")
        : whenFalse.Evaluate(scope, run);
}

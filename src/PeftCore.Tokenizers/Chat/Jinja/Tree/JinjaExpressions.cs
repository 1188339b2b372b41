namespace PeftCore.Tokenizers;

/// <summary>A part of a template that has a value.</summary>
internal abstract class JinjaExpression : JinjaNode
{
    public object? Evaluate(JinjaFrame frame, JinjaRun run)
    {
        run.Step();
        return Value(frame, run);
    }

    public bool IsTrue(JinjaFrame frame, JinjaRun run) => JinjaOperators.IsTrue(Evaluate(frame, run));

    protected abstract object? Value(JinjaFrame frame, JinjaRun run);
}

internal sealed class JinjaConstant(object? value) : JinjaExpression
{
    protected override object? Value(JinjaFrame frame, JinjaRun run) => value;
}

internal sealed class JinjaName(string name, int line) : JinjaExpression
{
    private JinjaPlace _place;

    public string Name => name;

    public override void Declare(JinjaSymbols symbols) => symbols.Read(name);

    public override void Bind(JinjaBinding binding) =>
        _place = binding.Symbols.Find(name) ?? throw JinjaError.At(line, $"'{name}' stands where Jinja does not look for names");

    protected override void FindUndeclared(HashSet<string> open, HashSet<string> found)
    {
        if (open.Contains(name))
        {
            found.Add(name);
        }
    }

    protected override object? Value(JinjaFrame frame, JinjaRun run) =>
        frame[_place] is var value && ReferenceEquals(value, JinjaMissing.Value) ? JinjaUndefined.Name(name) : value;
}

internal sealed class JinjaListExpression(List<JinjaExpression> items, bool isTuple) : JinjaExpression
{
    public List<JinjaExpression> Items => items;

    public bool IsTuple => isTuple;

    public override IEnumerable<JinjaNode> Children => items;

    protected override object? Value(JinjaFrame frame, JinjaRun run)
    {
        var values = isTuple ? new JinjaTuple() : new List<object?>(items.Count);
        values.AddRange(items.Select(i => i.Evaluate(frame, run)));
        return values;
    }
}

internal sealed class JinjaDictExpression(List<(JinjaExpression Key, JinjaExpression Value)> items) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => items.SelectMany(i => new JinjaNode[] { i.Key, i.Value });

    protected override object? Value(JinjaFrame frame, JinjaRun run)
    {
        var dict = new JinjaDict();
        foreach (var (key, value) in items)
        {
            dict[key.Evaluate(frame, run)] = value.Evaluate(frame, run);
        }

        return dict;
    }
}

internal sealed class JinjaMember(JinjaExpression target, string name) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [target];

    protected override object? Value(JinjaFrame frame, JinjaRun run) => JinjaMembers.Attribute(target.Evaluate(frame, run), name, run);
}

internal sealed class JinjaItem(JinjaExpression target, JinjaExpression index) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [target, index];

    protected override object? Value(JinjaFrame frame, JinjaRun run) =>
        JinjaMembers.Item(target.Evaluate(frame, run), index.Evaluate(frame, run), run);
}

internal sealed class JinjaSlice(JinjaExpression target, JinjaExpression? start, JinjaExpression? stop, JinjaExpression? step)
    : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => new[] { target, start, stop, step }.OfType<JinjaNode>();

    protected override object? Value(JinjaFrame frame, JinjaRun run) => JinjaMembers.Slice(
        target.Evaluate(frame, run), start?.Evaluate(frame, run), stop?.Evaluate(frame, run), step?.Evaluate(frame, run), run);
}

internal sealed class JinjaNot(JinjaExpression operand) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [operand];

    protected override object? Value(JinjaFrame frame, JinjaRun run) => !operand.IsTrue(frame, run);
}

internal sealed class JinjaSign(JinjaExpression operand, bool negate) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [operand];

    protected override object? Value(JinjaFrame frame, JinjaRun run) => JinjaOperators.Sign(operand.Evaluate(frame, run), negate);
}

/// <summary>"and" and "or", which give one of their operands.</summary>
internal sealed class JinjaLogic(JinjaExpression left, JinjaExpression right, bool isAnd) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [left, right];

    protected override object? Value(JinjaFrame frame, JinjaRun run)
    {
        object? value = left.Evaluate(frame, run);
        return JinjaOperators.IsTrue(value) == isAnd ? right.Evaluate(frame, run) : value;
    }
}

internal sealed class JinjaBinary(string name, JinjaExpression left, JinjaExpression right) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => [left, right];

    protected override object? Value(JinjaFrame frame, JinjaRun run)
    {
        var (a, b) = (left.Evaluate(frame, run), right.Evaluate(frame, run));
        return name != "~" ? JinjaOperators.Binary(name, a, b, run)
            : run.AutoEscape && (a is JinjaMarkup || b is JinjaMarkup)
                ? new JinjaMarkup(run.Made(JinjaHtml.Escape(a).Text + JinjaHtml.Escape(b).Text))
            : run.Made(JinjaText.Str(a) + JinjaText.Str(b));
    }
}

/// <summary>A chain of comparisons such as 0 &lt; x &lt;= 5.</summary>
internal sealed class JinjaComparison(JinjaExpression first, List<(string Name, JinjaExpression Operand)> rest) : JinjaExpression
{
    public override IEnumerable<JinjaNode> Children => rest.Select(r => (JinjaNode)r.Operand).Prepend(first);

    protected override object? Value(JinjaFrame frame, JinjaRun run)
    {
        object? left = first.Evaluate(frame, run);
        foreach (var (name, operand) in rest)
        {
            object? right = operand.Evaluate(frame, run);
            if (!JinjaOperators.Compare(name, left, right, run))
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
    public override IEnumerable<JinjaNode> Children => new[] { condition, whenTrue, whenFalse }.OfType<JinjaNode>();

    public override void Bind(JinjaBinding binding) => base.Bind(binding.Optional);

    protected override object? Value(JinjaFrame frame, JinjaRun run) =>
        condition.IsTrue(frame, run) ? whenTrue.Evaluate(frame, run)
        : whenFalse is null ? new JinjaUndefined("a condition is false and has no else")
        : whenFalse.Evaluate(frame, run);
}

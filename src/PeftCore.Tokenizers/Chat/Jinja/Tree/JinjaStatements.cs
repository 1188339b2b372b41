namespace PeftCore.Tokenizers;

/// <summary>How a statement ended.</summary>
internal enum JinjaFlow
{
    Next,
    Break,
    Continue,
}

/// <summary>A part of a template that writes or sets something.</summary>
internal abstract class JinjaStatement : JinjaNode
{
    public abstract JinjaFlow Run(JinjaFrame frame, JinjaRun run);
}

/// <summary>Statements one after the other.</summary>
internal sealed class JinjaBody(List<JinjaStatement> statements) : JinjaStatement
{
    public override IEnumerable<JinjaNode> Children => statements;

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        foreach (var statement in statements)
        {
            run.Step();
            if (statement.Run(frame, run) is not JinjaFlow.Next and var flow)
            {
                return flow;
            }
        }

        return JinjaFlow.Next;
    }
}

internal sealed class JinjaData(string text) : JinjaStatement
{
    public string Text => text;

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        run.Write(text);
        return JinjaFlow.Next;
    }
}

/// <summary>{{ x }} and {% print x, y %}.</summary>
internal sealed class JinjaOutput(List<JinjaExpression> expressions) : JinjaStatement
{
    public override IEnumerable<JinjaNode> Children => expressions;

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        foreach (var expression in expressions)
        {
            object? value = expression.Evaluate(frame, run);
            run.Write(run.AutoEscape ? JinjaHtml.Escape(value).Text : JinjaText.Str(value));
        }

        return JinjaFlow.Next;
    }
}

internal sealed class JinjaIf(List<(JinjaExpression? Condition, JinjaBody Body)> branches) : JinjaStatement
{
    public override IEnumerable<JinjaNode> Children => branches.SelectMany(b =>
        new JinjaNode?[] { b.Condition, b.Body }.OfType<JinjaNode>());

    public override void Declare(JinjaSymbols symbols)
    {
        branches[0].Condition!.Declare(symbols);
        symbols.Branch(Parts());
    }

    public override void Bind(JinjaBinding binding) => base.Bind(binding.Optional);

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        foreach (var (condition, body) in branches)
        {
            if (condition is null || condition.IsTrue(frame, run))
            {
                return body.Run(frame, run);
            }
        }

        return JinjaFlow.Next;
    }

    /// <summary>The first body, then all elif parts together (each is an "if" by itself), then the else part.</summary>
    private IEnumerable<IEnumerable<JinjaNode>> Parts() =>
    [
        [branches[0].Body],
        branches.Skip(1).Where(b => b.Condition is not null).Select(b => new JinjaIf([b])),
        branches.Where(b => b.Condition is null).Select(b => b.Body),
    ];
}

internal sealed class JinjaSet(JinjaTarget target, JinjaExpression value) : JinjaStatement
{
    public override IEnumerable<JinjaNode> Children => [target, value];

    public override void Declare(JinjaSymbols symbols)
    {
        value.Declare(symbols);
        target.Declare(symbols);
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        target.Assign(frame, value.Evaluate(frame, run), run);
        return JinjaFlow.Next;
    }
}

internal sealed class JinjaJump(JinjaFlow flow) : JinjaStatement
{
    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run) => flow;
}

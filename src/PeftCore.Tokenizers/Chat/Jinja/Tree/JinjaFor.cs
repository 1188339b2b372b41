namespace PeftCore.Tokenizers;

internal sealed class JinjaFor(
    JinjaTarget target, JinjaExpression source, JinjaExpression? filter, bool isRecursive, JinjaBody body, JinjaBody? otherwise,
        int line) : JinjaStatement
{
    // A filter has a scope of its own, with the same target in it.
    private readonly JinjaTarget _filterTarget = target.Copy(JinjaTargetKind.LoopItem);
    private JinjaSymbols _body = new(null);
    private JinjaSymbols _filter = new(null);
    private JinjaSymbols _otherwise = new(null);
    private JinjaPlace? _loop;

    public override IEnumerable<JinjaNode> Children => new JinjaNode?[] { target, source, body, otherwise, filter }.OfType<JinjaNode>();

    public override void Declare(JinjaSymbols symbols) => source.Declare(symbols);

    public override void Bind(JinjaBinding binding)
    {
        if (All().OfType<JinjaTarget>().Any(t => t.Kind != JinjaTargetKind.Parameter && t.Names.Contains("loop")))
        {
            throw JinjaError.At(line, "a loop sets the variable 'loop'");
        }

        source.Bind(binding);
        (_body, _filter, _otherwise) = (new(binding.Symbols), new(binding.Symbols), new(binding.Symbols));
        if (isRecursive || FindUndeclared([body], "loop").Count > 0 || All().OfType<JinjaNamedBlock>().Any(b => b.IsScoped))
        {
            _loop = _body.Parameter("loop");
        }

        _body.Declare([target, body]);
        if (filter is not null)
        {
            _filter.Declare([_filterTarget, filter]);
            _filterTarget.Bind(JinjaBinding.In(_filter));
            filter.Bind(JinjaBinding.In(_filter));
        }

        target.Bind(JinjaBinding.In(_body));
        body.Bind(JinjaBinding.In(_body));
        if (otherwise is not null)
        {
            _otherwise.Declare([otherwise]);
            otherwise.Bind(JinjaBinding.In(_otherwise));
        }
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        object? items = source.Evaluate(frame, run);
        if (isRecursive)
        {
            run.Write(JinjaText.Str(Recurse(frame, items, 0, run)));
            return JinjaFlow.Next;
        }

        return Loop(frame, items, 0, run);
    }

    private object? Recurse(JinjaFrame frame, object? items, int depth, JinjaRun run) => run.Call(() =>
    {
        string text = run.Capture(() => Loop(frame, items, depth, run));
        return run.AutoEscape ? new JinjaMarkup(text) : text;
    });

    private JinjaFlow Loop(JinjaFrame frame, object? items, int depth, JinjaRun run)
    {
        var each = JinjaMembers.Iterate(items, run);
        var loop = new JinjaLoop(filter is null ? items : null, filter is null ? each : Filtered(each, frame, run), depth,
            isRecursive ? (inner, level) => Recurse(frame, inner, level, run) : null, run);
        bool complete = false;
        while (loop.MoveNext())
        {
            run.Step();
            var inner = new JinjaFrame(_body, frame, frame.Scope);
            if (_loop is { } place)
            {
                inner[place] = loop;
            }

            target.Assign(inner, loop.Current, run);
            var flow = body.Run(inner, run);
            if (flow == JinjaFlow.Break)
            {
                break;
            }

            complete |= flow == JinjaFlow.Next;
        }

        // As in Jinja, the else part is also run where every round was left by break or continue.
        return complete || otherwise is null ? JinjaFlow.Next : otherwise.Run(new JinjaFrame(_otherwise, frame, frame.Scope), run);
    }

    private IEnumerable<object?> Filtered(IEnumerable<object?> items, JinjaFrame frame, JinjaRun run)
    {
        foreach (object? item in items)
        {
            var inner = new JinjaFrame(_filter, frame, frame.Scope);
            _filterTarget.Assign(inner, item, run);
            if (filter!.IsTrue(inner, run))
            {
                yield return item;
            }
        }
    }
}

namespace PeftCore.Tokenizers;

/// <summary>{% with a = 1 %}. The values are those outside.</summary>
internal sealed class JinjaWith(List<(JinjaTarget Target, JinjaExpression Value)> variables, JinjaBody body) : JinjaStatement
{
    private JinjaSymbols _symbols = new(null);

    public override IEnumerable<JinjaNode> Children =>
        variables.Select(v => (JinjaNode)v.Target).Concat(variables.Select(v => v.Value)).Append(body);

    public override void Declare(JinjaSymbols symbols) => variables.ForEach(v => v.Value.Declare(symbols));

    public override void Bind(JinjaBinding binding)
    {
        variables.ForEach(v => v.Value.Bind(binding));
        _symbols = new JinjaSymbols(binding.Symbols);
        _symbols.Declare(variables.Select(v => (JinjaNode)v.Target).Append(body));
        variables.ForEach(v => v.Target.Bind(JinjaBinding.In(_symbols)));
        body.Bind(JinjaBinding.In(_symbols));
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        var inner = new JinjaFrame(_symbols, frame, frame.Scope);
        variables.ForEach(v => v.Target.Assign(inner, v.Value.Evaluate(frame, run), run));
        return body.Run(inner, run);
    }
}

/// <summary>{% autoescape true %}.</summary>
internal sealed class JinjaAutoEscape(JinjaExpression on, JinjaBody body) : JinjaStatement
{
    private JinjaSymbols _symbols = new(null);

    public override IEnumerable<JinjaNode> Children => [on, body];

    public override void Declare(JinjaSymbols symbols)
    {
    }

    public override void Bind(JinjaBinding binding)
    {
        _symbols = new JinjaSymbols(binding.Symbols);
        _symbols.Declare(Children);
        base.Bind(JinjaBinding.In(_symbols));
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        var inner = new JinjaFrame(_symbols, frame, frame.Scope);
        bool before = run.AutoEscape;
        run.AutoEscape = on.IsTrue(inner, run);
        var flow = body.Run(inner, run);
        run.AutoEscape = before;
        return flow;
    }
}

/// <summary>{% set x %}…{% endset %}, perhaps with filters.</summary>
internal sealed class JinjaSetBlock(JinjaTarget target, List<JinjaFilter> filters, JinjaBody body) : JinjaStatement
{
    private JinjaSymbols _symbols = new(null);

    public override IEnumerable<JinjaNode> Children => [target, .. filters, body];

    public override void Declare(JinjaSymbols symbols) => target.Declare(symbols);

    public override void Bind(JinjaBinding binding)
    {
        _symbols = new JinjaSymbols(binding.Symbols);
        _symbols.Declare([body]);
        body.Bind(JinjaBinding.In(_symbols));
        target.Bind(binding);
        filters.ForEach(f => f.Bind(JinjaBinding.In(_symbols)));
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        var inner = new JinjaFrame(_symbols, frame, frame.Scope);
        var flow = JinjaFlow.Next;
        string text = run.Capture(() => flow = body.Run(inner, run));
        if (flow == JinjaFlow.Next)
        {
            object? value = run.AutoEscape ? new JinjaMarkup(text) : text;
            filters.ForEach(f => value = f.Apply(value, inner, run));
            target.Assign(frame, run.AutoEscape ? new JinjaMarkup(JinjaText.Str(value)) : value, run);
        }

        return flow;
    }
}

/// <summary>{% filter upper %}.</summary>
internal sealed class JinjaFilterBlock(List<JinjaFilter> filters, JinjaBody body) : JinjaStatement
{
    private JinjaSymbols _symbols = new(null);

    public override IEnumerable<JinjaNode> Children => [body, .. filters];

    public override void Declare(JinjaSymbols symbols) => filters.ForEach(f => f.Declare(symbols));

    public override void Bind(JinjaBinding binding)
    {
        _symbols = new JinjaSymbols(binding.Symbols);
        _symbols.Declare(Children);
        base.Bind(JinjaBinding.In(_symbols));
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        var inner = new JinjaFrame(_symbols, frame, frame.Scope);
        var flow = JinjaFlow.Next;
        string text = run.Capture(() => flow = body.Run(inner, run));
        if (flow == JinjaFlow.Next)
        {
            object? value = run.AutoEscape ? new JinjaMarkup(text) : text;
            filters.ForEach(f => value = f.Apply(value, inner, run));
            run.WriteText(value, "a filter block");
        }

        return flow;
    }
}

/// <summary>{% generation %}: an assistant's answer, which a model is trained on.</summary>
internal sealed class JinjaGeneration(JinjaMacroBody body) : JinjaStatement
{
    public override IEnumerable<JinjaNode> Children => [body];

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        int start = run.Output.Length;
        run.Write(JinjaText.Str(body.Make(null, frame, run.AutoEscape).Call(new JinjaArguments("generation", [], []), run)));
        if (run.IsMainOutput && run.Output.Length > start)
        {
            run.Generated.Add(new TextSpan(start, run.Output.Length));
        }

        return JinjaFlow.Next;
    }
}

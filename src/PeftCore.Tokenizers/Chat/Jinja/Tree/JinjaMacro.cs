namespace PeftCore.Tokenizers;

/// <summary>{% macro name(a, b=1) %}.</summary>
internal sealed class JinjaMacro(JinjaTarget target, JinjaMacroBody macro) : JinjaStatement
{
    public override IEnumerable<JinjaNode> Children => [macro];

    public override void Declare(JinjaSymbols symbols) => symbols.Store(target.Name);

    public override void Bind(JinjaBinding binding)
    {
        macro.Bind(binding);
        target.Bind(binding);
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        target.Assign(frame, macro.Make(target.Name, frame, run.AutoEscape), run);
        return JinjaFlow.Next;
    }
}

/// <summary>{% call(a) f(x) %}: a call that gives the block to the macro as "caller".</summary>
internal sealed class JinjaCallBlock(JinjaCall call, JinjaMacroBody macro) : JinjaStatement
{
    public override IEnumerable<JinjaNode> Children => [call, macro];

    public override void Declare(JinjaSymbols symbols) => call.Declare(symbols);

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        run.WriteText(call.Call(frame, run, macro.Make(null, frame, run.AutoEscape)), "a call block");
        return JinjaFlow.Next;
    }
}

/// <summary>What a macro and a call block have in common: parameters and a body with a scope of its own.</summary>
internal sealed class JinjaMacroBody(List<(JinjaTarget Parameter, JinjaExpression? Default)> parameters, JinjaBody body, int line)
    : JinjaNode
{
    private JinjaSymbols _symbols = new(null);
    private JinjaPlace? _caller;
    private JinjaPlace? _kwargs;
    private JinjaPlace? _varargs;

    public override IEnumerable<JinjaNode> Children =>
        parameters.Select(p => (JinjaNode)p.Parameter).Concat(parameters.Select(p => p.Default).OfType<JinjaExpression>()).Append(body);

    public override void Declare(JinjaSymbols symbols)
    {
    }

    public override void Bind(JinjaBinding binding)
    {
        _symbols = new JinjaSymbols(binding.Symbols);
        _symbols.Declare(Children);
        foreach (string name in FindUndeclared([body], "caller", "kwargs", "varargs"))
        {
            int own = parameters.FindIndex(p => p.Parameter.Name == name);
            if (name == "caller" && own >= 0 && parameters[own].Default is null)
            {
                throw JinjaError.At(line, "a macro has the parameter 'caller' without a default");
            }

            JinjaPlace? place = own >= 0 ? null : _symbols.Parameter(name);
            (_caller, _kwargs, _varargs) = name switch
            {
                "caller" => (place, _kwargs, _varargs),
                "kwargs" => (_caller, place, _varargs),
                _ => (_caller, _kwargs, place),
            };
        }

        base.Bind(JinjaBinding.In(_symbols));
    }

    /// <param name="name">The macro's name, or null for a block.</param>
    /// <param name="frame">The variables around it.</param>
    /// <param name="autoEscape">Whether text is escaped where the macro is defined.</param>
    public JinjaFunction Make(string? name, JinjaFrame frame, bool autoEscape)
    {
        var members = new JinjaDict
        {
            ["name"] = name,
            ["arguments"] = new JinjaTuple(parameters.Select(p => (object?)p.Parameter.Name)),
            ["catch_kwargs"] = _kwargs is not null,
            ["catch_varargs"] = _varargs is not null,
            ["caller"] = _caller is not null,
        };
        string text = $"<Macro {(name is null ? "anonymous" : JinjaText.Repr(name))}>";
        return new JinjaFunction(name ?? "caller", text, (arguments, run) => run.Call(() =>
            Call(frame, arguments, autoEscape, run)))
        { Members = members };
    }

    private object Call(JinjaFrame outer, JinjaArguments arguments, bool autoEscape, JinjaRun run)
    {
        bool around = run.AutoEscape;
        run.AutoEscape = autoEscape;
        var frame = new JinjaFrame(_symbols, outer, outer.Scope);
        var named = new Dictionary<string, object?>(arguments.Named, StringComparer.Ordinal);
        for (int i = 0; i < parameters.Count; i++)
        {
            if (i < arguments.Positional.Count)
            {
                parameters[i].Parameter.Assign(frame, arguments.Positional[i], run);
            }
            else if (named.Remove(parameters[i].Parameter.Name, out object? value))
            {
                parameters[i].Parameter.Assign(frame, value, run);
            }
        }

        TakeSpecial(frame, arguments, named);
        foreach (var (parameter, missing) in parameters)
        {
            if (parameter.IsMissing(frame))
            {
                parameter.Assign(frame, missing is null ? new JinjaUndefined($"the parameter '{parameter.Name}' is not given")
                    : missing.Evaluate(frame, run), run);
            }
        }

        string text = run.Capture(() => body.Run(frame, run));
        run.AutoEscape = around;
        return around ? new JinjaMarkup(text) : text;
    }

    private void TakeSpecial(JinjaFrame frame, JinjaArguments arguments, Dictionary<string, object?> named)
    {
        if (_caller is { } caller)
        {
            frame[caller] = named.Remove("caller", out object? given) && given is not null ? given
                : new JinjaUndefined("no caller is given");
        }

        if (_kwargs is { } kwargs)
        {
            var dict = new JinjaDict();
            foreach (var (key, value) in named)
            {
                dict[key] = value;
            }

            frame[kwargs] = dict;
        }
        else if (named.Count > 0)
        {
            throw JinjaError.Of($"the macro {arguments.Function} has no parameter '{named.Keys.First()}'");
        }

        if (_varargs is { } varargs)
        {
            frame[varargs] = new JinjaTuple(arguments.Positional.Skip(parameters.Count));
        }
        else if (arguments.Positional.Count > parameters.Count)
        {
            throw JinjaError.Of($"the macro {arguments.Function} takes {parameters.Count} arguments, not {arguments.Positional.Count}");
        }
    }
}

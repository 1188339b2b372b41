namespace PeftCore.Tokenizers;

/// <summary>How a statement ended.</summary>
internal enum JinjaFlow
{
    Next,
    Break,
    Continue,
}

/// <summary>A part of a template that writes or sets something.</summary>
internal abstract class JinjaStatement
{
    public abstract JinjaFlow Run(JinjaScope scope, JinjaRun run);
}

internal sealed class JinjaBlock(List<JinjaStatement> statements) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        foreach (var statement in statements)
        {
            run.Step();
            if (statement.Run(scope, run) is not JinjaFlow.Next and var flow)
            {
                return flow;
            }
        }

        return JinjaFlow.Next;
    }
}

internal sealed class JinjaData(string text) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        run.Write(text);
        return JinjaFlow.Next;
    }
}

internal sealed class JinjaOutput(JinjaExpression expression) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        run.Write(JinjaText.Str(expression.Evaluate(scope, run)));
        return JinjaFlow.Next;
    }
}

internal sealed class JinjaIf(List<(JinjaExpression? Condition, JinjaBlock Body)> branches) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        foreach (var (condition, body) in branches)
        {
            if (condition is null || condition.IsTrue(scope, run))
            {
                return body.Run(scope, run);
            }
        }

        return JinjaFlow.Next;
    }
}

internal sealed class JinjaFor(JinjaTarget target, JinjaExpression source, JinjaExpression? filter, JinjaBlock body, JinjaBlock? otherwise)
    : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        var items = JinjaMembers.Iterate(source.Evaluate(scope, run), run);
        if (filter is not null)
        {
            items = [.. items.Where(item =>
            {
                var inner = new JinjaScope(scope);
                target.Assign(inner, item);
                return filter.IsTrue(inner, run);
            })];
        }

        if (items.Count == 0)
        {
            return otherwise?.Run(new JinjaScope(scope), run) ?? JinjaFlow.Next;
        }

        var loop = new JinjaLoop(items, scope.LoopDepth + 1);
        for (var i = 0; i < items.Count; i++)
        {
            run.Step();
            loop.Index = i;
            var inner = new JinjaScope(scope) { LoopDepth = scope.LoopDepth + 1, ["loop"] = loop };
            target.Assign(inner, items[i]);
            if (body.Run(inner, run) == JinjaFlow.Break)
            {
                break;
            }
        }

        return JinjaFlow.Next;
    }
}

/// <summary>What is assigned to: a name, a member of a namespace, or several.</summary>
internal sealed class JinjaTarget(string name, string? member, List<JinjaTarget>? parts)
{
    public void Assign(JinjaScope scope, object? value)
    {
        if (parts is not null)
        {
            if (value is not List<object?> values || values.Count != parts.Count)
            {
                throw JinjaError.Of($"{JinjaOperators.Describe(value)} is not {parts.Count} values");
            }

            for (var i = 0; i < parts.Count; i++)
            {
                parts[i].Assign(scope, values[i]);
            }
        }
        else if (member is null)
        {
            scope[name] = value;
        }
        else if (scope[name] is JinjaNamespace space)
        {
            space.Members[member] = value;
        }
        else
        {
            throw JinjaError.Of($"{name} is not a namespace, so {name}.{member} cannot be set");
        }
    }
}

internal sealed class JinjaSet(JinjaTarget target, JinjaExpression value) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        target.Assign(scope, value.Evaluate(scope, run));
        return JinjaFlow.Next;
    }
}

/// <summary>Sets a variable to what a block writes, or with no target writes it through filters.</summary>
internal sealed class JinjaCapture(JinjaTarget? target, List<JinjaFilter> filters, JinjaBlock body) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        object? value = run.Capture(() => body.Run(new JinjaScope(scope), run));
        foreach (var filter in filters)
        {
            value = filter.Apply(value, scope, run);
        }

        if (target is null)
        {
            run.Write(JinjaText.Str(value));
        }
        else
        {
            target.Assign(scope, value);
        }

        return JinjaFlow.Next;
    }
}

internal sealed class JinjaMacro(string name, List<(string Name, JinjaExpression? Default)> parameters, JinjaBlock body) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        scope[name] = new JinjaFunction(name, (arguments, inner) => inner.Call(() => Call(scope, arguments, inner)));
        return JinjaFlow.Next;
    }

    private string Call(JinjaScope scope, JinjaArguments arguments, JinjaRun run)
    {
        var local = new JinjaScope(scope);
        for (var i = 0; i < parameters.Count; i++)
        {
            var (parameter, missing) = parameters[i];
            local[parameter] = i < arguments.Positional.Count ? arguments.Positional[i]
                : arguments.Named.TryGetValue(parameter, out var value) ? value
                : missing is null ? new JinjaUndefined(parameter)
                : missing.Evaluate(local, run);
        }

        if (arguments.Positional.Count > parameters.Count)
        {
            throw JinjaError.Of($"the macro {name} takes {parameters.Count} arguments, not {arguments.Positional.Count}");
        }

        return run.Capture(() => body.Run(local, run));
    }
}

/// <summary>What an assistant says: text that a model is trained on.</summary>
internal sealed class JinjaGeneration(JinjaBlock body) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run)
    {
        var start = run.Output.Length;
        var flow = body.Run(new JinjaScope(scope), run);
        if (run.IsMainOutput && run.Output.Length > start)
        {
            run.Generated.Add(new TextSpan(start, run.Output.Length));
        }

        return flow;
    }
}

internal sealed class JinjaJump(JinjaFlow flow) : JinjaStatement
{
    public override JinjaFlow Run(JinjaScope scope, JinjaRun run) => flow;
}

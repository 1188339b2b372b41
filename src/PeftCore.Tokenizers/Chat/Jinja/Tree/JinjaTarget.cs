namespace PeftCore.Tokenizers;

/// <summary>How a name is set: by a statement, by a loop, or by a call or "with".</summary>
internal enum JinjaTargetKind
{
    Variable,
    LoopItem,
    Parameter,
}

/// <summary>What is assigned to: a name, a member of a namespace, or a tuple of these.</summary>
internal sealed class JinjaTarget(string name, string? member, List<JinjaTarget>? parts, JinjaTargetKind kind) : JinjaNode
{
    private JinjaPlace _place;
    private bool _isTop;

    public string Name => name;

    public JinjaTargetKind Kind => kind;

    public override IEnumerable<JinjaNode> Children => parts ?? [];

    /// <summary>The names that are set.</summary>
    public IEnumerable<string> Names => parts is not null ? parts.SelectMany(p => p.Names) : member is null ? [name] : [];

    /// <summary>The same target for another scope.</summary>
    public JinjaTarget Copy(JinjaTargetKind newKind) => new(name, member, parts?.ConvertAll(p => p.Copy(newKind)), newKind);

    public override void Declare(JinjaSymbols symbols)
    {
        if (parts is not null)
        {
            base.Declare(symbols);
        }
        else if (member is not null)
        {
            symbols.Read(name);
        }
        else if (kind != JinjaTargetKind.Variable)
        {
            symbols.Parameter(name);
        }
        else
        {
            symbols.Store(name);
        }
    }

    public override void Bind(JinjaBinding binding)
    {
        base.Bind(binding);
        if (parts is null)
        {
            _place = binding.Symbols.Find(name)!.Value;
            _isTop = binding.IsTop;
        }
    }

    public void Assign(JinjaFrame frame, object? value, JinjaRun run)
    {
        CheckNamespaces(frame);
        Set(frame, value, run);
    }

    /// <summary>Whether the variable has no value yet.</summary>
    public bool IsMissing(JinjaFrame frame) => ReferenceEquals(frame[_place], JinjaMissing.Value);

    protected override void FindUndeclared(HashSet<string> open, HashSet<string> found)
    {
        base.FindUndeclared(open, found);
        if (parts is null && member is null)
        {
            open.Remove(name);
        }
    }

    private void CheckNamespaces(JinjaFrame frame)
    {
        parts?.ForEach(p => p.CheckNamespaces(frame));
        if (member is not null && frame[_place] is not JinjaNamespace)
        {
            throw JinjaError.Of($"{name} is not a namespace, so {name}.{member} cannot be set");
        }
    }

    private void Set(JinjaFrame frame, object? value, JinjaRun run)
    {
        if (parts is not null)
        {
            var values = JinjaMembers.Iterate(value, run).Take(parts.Count + 1).ToList();
            if (values.Count != parts.Count)
            {
                throw JinjaError.Of($"{JinjaText.Describe(value)} is not {parts.Count} values");
            }

            for (int i = 0; i < parts.Count; i++)
            {
                parts[i].Set(frame, values[i], run);
            }
        }
        else if (member is not null)
        {
            ((JinjaNamespace)frame[_place]!).Members[member] = value;
        }
        else
        {
            frame[_place] = value;
            if (_isTop)
            {
                frame.Scope[name] = value;
            }
        }
    }
}

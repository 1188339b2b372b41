namespace PeftCore.Tokenizers;

/// <summary>The address of a variable: how many frames up, and the slot in that frame.</summary>
internal readonly record struct JinjaPlace(int Up, int Slot);

/// <summary>The names of one scope, and what their variables hold when it is entered. The rules are those of Jinja's idtracking: a name
/// that is set anywhere in a scope is a variable of that scope from its beginning, with the outer value if there is one.</summary>
internal sealed class JinjaSymbols
{
    private readonly Dictionary<string, int> _slots;
    private readonly HashSet<string> _names;
    private readonly Dictionary<string, Load> _loads;
    private readonly HashSet<string> _stores;

    public JinjaSymbols(JinjaSymbols? parent)
        : this(parent, new(StringComparer.Ordinal), [], [], [])
    {
    }

    private JinjaSymbols(
        JinjaSymbols? parent, Dictionary<string, int> slots, IEnumerable<string> names, IEnumerable<KeyValuePair<string, Load>> loads,
            IEnumerable<string> stores)
    {
        Parent = parent;
        _slots = slots;
        _names = new(names, StringComparer.Ordinal);
        _loads = new(loads, StringComparer.Ordinal);
        _stores = new(stores, StringComparer.Ordinal);
    }

    private enum Source
    {
        Parameter,
        Given,
        Outer,
        Nothing,
    }

    public JinjaSymbols? Parent { get; }

    public int SlotCount => _slots.Count;

    public JinjaPlace? Find(string name)
    {
        int up = 0;
        for (var symbols = this; symbols is not null; symbols = symbols.Parent)
        {
            if (symbols._names.Contains(name))
            {
                return new JinjaPlace(up, symbols._slots[name]);
            }

            up++;
        }

        return null;
    }

    public void Store(string name)
    {
        _stores.Add(name);
        if (!_names.Contains(name))
        {
            Define(name, Parent?.Find(name) is { } outer ? new Load(Source.Outer, outer) : new Load(Source.Nothing));
        }
    }

    public JinjaPlace Parameter(string name)
    {
        _stores.Add(name);
        Define(name, new Load(Source.Parameter));
        return new JinjaPlace(0, _slots[name]);
    }

    public void Read(string name)
    {
        if (Find(name) is null)
        {
            Define(name, new Load(Source.Given));
        }
    }

    /// <summary>Looks at parts of which only one is run: a name that not all of them set may keep what it was.</summary>
    public void Branch(IEnumerable<IEnumerable<JinjaNode>> branches)
    {
        var copies = new List<JinjaSymbols>();
        foreach (var branch in branches)
        {
            var copy = new JinjaSymbols(Parent, _slots, _names, _loads, _stores);
            foreach (var node in branch)
            {
                node.Declare(copy);
            }

            copies.Add(copy);
        }

        var fresh = copies.SelectMany(c => c._stores).Except(_stores, StringComparer.Ordinal).ToList();
        foreach (var copy in copies)
        {
            _names.UnionWith(copy._names);
            _stores.UnionWith(copy._stores);
            foreach (var (name, load) in copy._loads)
            {
                _loads[name] = load;
            }
        }

        foreach (string? name in fresh)
        {
            _loads[name] = Parent?.Find(name) is { } outer ? new Load(Source.Outer, outer) : new Load(Source.Given);
        }
    }

    public void Declare(IEnumerable<JinjaNode> nodes)
    {
        foreach (var node in nodes)
        {
            node.Declare(this);
        }
    }

    /// <summary>Fills a new frame of this scope; parameters are left as they are.</summary>
    public void Enter(JinjaFrame frame)
    {
        foreach (var (name, load) in _loads)
        {
            if (load.Source != Source.Parameter)
            {
                frame[new JinjaPlace(0, _slots[name])] = load.Source switch
                {
                    Source.Given => frame.Scope[name],
                    Source.Outer => frame.Parent![load.Outer],
                    _ => JinjaMissing.Value,
                };
            }
        }
    }

    /// <summary>The names that are set in this scope and the ones around it.</summary>
    public IEnumerable<string> Stored() => Parent is null ? _stores : _stores.Union(Parent.Stored(), StringComparer.Ordinal);

    private void Define(string name, Load load)
    {
        _names.Add(name);
        _slots.TryAdd(name, _slots.Count);
        _loads[name] = load;
    }

    private readonly record struct Load(Source Source, JinjaPlace Outer = default);
}

/// <summary>The variables of one run of a scope.</summary>
internal sealed class JinjaFrame
{
    private readonly object?[] _slots;

    public JinjaFrame(JinjaSymbols symbols, JinjaFrame? parent, JinjaScope scope)
    {
        Parent = parent;
        Scope = scope;
        _slots = new object?[symbols.SlotCount];
        Array.Fill(_slots, JinjaMissing.Value);
        symbols.Enter(this);
    }

    public JinjaFrame? Parent { get; }

    /// <summary>What the template was given.</summary>
    public JinjaScope Scope { get; }

    public object? this[JinjaPlace place]
    {
        get => Up(place)._slots[place.Slot];
        set => Up(place)._slots[place.Slot] = value;
    }

    private JinjaFrame Up(JinjaPlace place)
    {
        var frame = this;
        for (int i = 0; i < place.Up; i++)
        {
            frame = frame.Parent!;
        }

        return frame;
    }
}

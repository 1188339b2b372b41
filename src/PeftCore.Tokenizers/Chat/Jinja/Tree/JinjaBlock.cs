namespace PeftCore.Tokenizers;

/// <summary>A whole template, or the inside of a named block: statements that see the variables a template is given, and no
/// others.</summary>
internal sealed class JinjaBlock
{
    private readonly JinjaSymbols _symbols = new(null);
    private readonly JinjaBody _body;

    public JinjaBlock(JinjaBody body, bool isTemplate)
    {
        if (JinjaNode.FindUndeclared([body], isTemplate ? ["self"] : ["self", "super"]).FirstOrDefault() is { } reference)
        {
            throw JinjaError.At(1, $"it uses '{reference}', the blocks of a template by name");
        }

        _body = body;
        _symbols.Declare([body]);
        body.Bind(new JinjaBinding(_symbols, isTemplate, false));
    }

    public JinjaFlow Run(JinjaScope scope, JinjaRun run) => _body.Run(new JinjaFrame(_symbols, null, scope), run);
}

/// <summary>{% block name %}: without inheritance it is written in place.</summary>
internal sealed class JinjaNamedBlock(string name, bool isScoped, JinjaBody body) : JinjaStatement
{
    private readonly JinjaBlock _block = new(body, isTemplate: false);
    private List<(string Name, JinjaPlace Place)> _visible = [];

    public string Name => name;

    public bool IsScoped => isScoped;

    public override IEnumerable<JinjaNode> Children => [body];

    public override void Declare(JinjaSymbols symbols)
    {
    }

    public override void Bind(JinjaBinding binding)
    {
        if (isScoped)
        {
            _visible = [.. binding.Symbols.Stored().Select(n => (n, binding.Symbols.Find(n)!.Value))];
        }
    }

    public override JinjaFlow Run(JinjaFrame frame, JinjaRun run)
    {
        var scope = frame.Scope;
        if (isScoped)
        {
            scope = new JinjaScope(frame.Scope);
            foreach (var (variable, place) in _visible.Where(v => !ReferenceEquals(frame[v.Place], JinjaMissing.Value)))
            {
                scope[variable] = frame[place];
            }
        }

        _block.Run(scope, run);
        return JinjaFlow.Next;
    }

    protected override void FindUndeclared(HashSet<string> open, HashSet<string> found)
    {
    }
}

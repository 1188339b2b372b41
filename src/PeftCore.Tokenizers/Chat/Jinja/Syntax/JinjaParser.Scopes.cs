namespace PeftCore.Tokenizers;

/// <summary>Parses the statements that have variables of their own, and what is assigned to.</summary>
internal sealed partial class JinjaParser
{
    private JinjaMacro ParseMacro(int line)
    {
        var name = ParseNameTarget(JinjaTargetKind.Variable);
        return new JinjaMacro(name, new JinjaMacroBody(ParseParameters(), ParseApart("endmacro"), line));
    }

    private JinjaCallBlock ParseCall(int line)
    {
        var parameters = _tokens.Current.IsOperator("(") ? ParseParameters() : [];
        var call = _expressions.Parse() as JinjaCall ?? throw _tokens.Bad("a call block calls nothing");
        return new JinjaCallBlock(call, new JinjaMacroBody(parameters, ParseApart("endcall"), line));
    }

    private List<(JinjaTarget, JinjaExpression?)> ParseParameters()
    {
        var parameters = new List<(JinjaTarget Name, JinjaExpression? Default)>();
        _tokens.Expect("(");
        while (!_tokens.TryTake(")"))
        {
            if (parameters.Count > 0)
            {
                _tokens.Expect(",");
            }

            var name = ParseNameTarget(JinjaTargetKind.Parameter);
            if (parameters.Exists(p => p.Name.Name == name.Name))
            {
                throw _tokens.Bad($"there are two parameters '{name.Name}'");
            }

            var missing = _tokens.TryTake("=") ? _expressions.Parse() : null;
            if (missing is null && parameters.Count > 0 && parameters[^1].Default is not null)
            {
                throw _tokens.Bad("a parameter without a default follows one with a default");
            }

            parameters.Add((name, missing));
        }

        return parameters;
    }

    private JinjaFilterBlock ParseFilterBlock()
    {
        var filters = new List<JinjaFilter> { _expressions.ParseFilter(null) };
        filters.AddRange(ParseFilters());
        return new JinjaFilterBlock(filters, ParseInside("endfilter"));
    }

    private List<JinjaFilter> ParseFilters()
    {
        var filters = new List<JinjaFilter>();
        while (_tokens.TryTake("|"))
        {
            filters.Add(_expressions.ParseFilter(null));
        }

        return filters;
    }

    private JinjaWith ParseWith()
    {
        var variables = new List<(JinjaTarget, JinjaExpression)>();
        while (_tokens.Current.Kind != JinjaTokenKind.BlockEnd)
        {
            if (variables.Count > 0)
            {
                _tokens.Expect(",");
            }

            var target = ParseTarget(JinjaTargetKind.Parameter, allowMember: false);
            _tokens.Expect("=");
            variables.Add((target, _expressions.Parse()));
        }

        return new JinjaWith(variables, ParseInside("endwith"));
    }

    private JinjaNamedBlock ParseNamedBlock()
    {
        string name = _tokens.ExpectName();
        if (!_blocks.Add(name))
        {
            throw _tokens.Bad($"there are two blocks '{name}'");
        }

        bool isScoped = _tokens.TryTake("scoped");
        if (_tokens.Current.IsName("required"))
        {
            throw _tokens.Bad("a required block needs another template that fills it");
        }

        var body = ParseApart("endblock");
        if (_tokens.Current.IsName(name))
        {
            _tokens.Take();
        }

        return new JinjaNamedBlock(name, isScoped, body);
    }

    /// <summary>Parses names with commas between them, which end before <paramref name="end"/>.</summary>
    private JinjaTarget ParseTarget(JinjaTargetKind kind, bool allowMember, string end = "")
    {
        var parts = new List<JinjaTarget>();
        bool isTuple = false;
        while (true)
        {
            if (parts.Count > 0 && (_tokens.Current.IsName(end) || _tokens.Current.Kind == JinjaTokenKind.BlockEnd
                || _tokens.Current.IsOperator(")")))
            {
                break;
            }

            parts.Add(_tokens.Current.IsOperator("(") ? ToTarget(_expressions.ParsePrimary(), kind) : ParseNameTarget(kind, allowMember));
            if (!_tokens.TryTake(","))
            {
                break;
            }

            isTuple = true;
        }

        return isTuple ? new JinjaTarget("", null, parts, kind) : parts[0];
    }

    private JinjaTarget ParseNameTarget(JinjaTargetKind kind, bool allowMember = false)
    {
        string name = _tokens.ExpectName();
        if (name is "true" or "false" or "none" or "True" or "False" or "None")
        {
            throw _tokens.Bad($"'{name}' cannot be set");
        }

        return new JinjaTarget(name, allowMember && _tokens.TryTake(".") ? _tokens.ExpectName() : null, null, kind);
    }

    private JinjaTarget ToTarget(JinjaExpression expression, JinjaTargetKind kind) => expression switch
    {
        JinjaName name => new JinjaTarget(name.Name, null, null, kind),
        JinjaListExpression { IsTuple: true } tuple => new JinjaTarget("", null, tuple.Items.ConvertAll(i => ToTarget(i, kind)), kind),
        _ => throw _tokens.Bad("what is in parentheses cannot be set"),
    };
}

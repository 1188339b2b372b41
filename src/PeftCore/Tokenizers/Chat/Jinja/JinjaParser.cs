using System.Runtime.CompilerServices;

namespace PeftCore.Tokenizers;

/// <summary>Parses a template's tags into statements.</summary>
internal sealed class JinjaParser
{
    private readonly JinjaTokens _tokens;
    private readonly JinjaExpressionParser _expressions;
    private int _loops;

    private JinjaParser(List<JinjaToken> tokens)
    {
        _tokens = new JinjaTokens(tokens);
        _expressions = new JinjaExpressionParser(_tokens);
    }

    /// <summary>Whether the template marks what the assistant says.</summary>
    public bool HasGeneration { get; private set; }

    public static (JinjaBlock Body, bool HasGeneration) Parse(string template)
    {
        try
        {
            var parser = new JinjaParser(JinjaLexer.Tokenize(template));
            var body = parser.ParseBody();
            return parser._tokens.Current.Kind == JinjaTokenKind.End
                ? (body, parser.HasGeneration)
                : throw parser._tokens.Bad($"'{parser._tokens.Current.Text}' ends nothing");
        }
        catch (InsufficientExecutionStackException)
        {
            throw JinjaError.At(1, "it is nested too deeply");
        }
    }

    /// <summary>Parses up to the end or to a tag with one of the given names, whose name is then the current token.</summary>
    private JinjaBlock ParseBody(params string[] ends)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var statements = new List<JinjaStatement>();
        while (true)
        {
            var token = _tokens.Take();
            switch (token.Kind)
            {
                case JinjaTokenKind.Data:
                    statements.Add(new JinjaData(token.Text));
                    break;
                case JinjaTokenKind.VariableBegin:
                    statements.Add(new JinjaOutput(_expressions.ParseTuple()));
                    _tokens.Expect(JinjaTokenKind.VariableEnd, "'}}'");
                    break;
                case JinjaTokenKind.BlockBegin when _tokens.Current.Kind == JinjaTokenKind.Name && ends.Contains(_tokens.Current.Text):
                    return new JinjaBlock(statements);
                case JinjaTokenKind.BlockBegin:
                    statements.Add(ParseStatement());
                    break;
                case JinjaTokenKind.End when ends.Length == 0:
                    return new JinjaBlock(statements);
                case JinjaTokenKind.End:
                    throw JinjaError.At(token.Line, $"{ends[^1]} is missing");
                default:
                    throw JinjaError.At(token.Line, $"{token} is out of place");
            }
        }
    }

    private JinjaStatement ParseStatement()
    {
        var name = _tokens.ExpectName();
        switch (name)
        {
            case "if":
                return ParseIf();
            case "for":
                return ParseFor();
            case "set":
                return ParseSet();
            case "macro":
                return ParseMacro();
            case "filter":
                return ParseFilterBlock();
            case "generation":
                HasGeneration = true;
                return new JinjaGeneration(ParseBlock("endgeneration"));
            case "break" or "continue" when _loops > 0:
                EndTag();
                return new JinjaJump(name == "break" ? JinjaFlow.Break : JinjaFlow.Continue);
            default:
                throw _tokens.Bad($"there is no tag '{name}' here");
        }
    }

    private JinjaIf ParseIf()
    {
        var branches = new List<(JinjaExpression?, JinjaBlock)>();
        JinjaExpression? condition = _expressions.ParseTuple();
        while (true)
        {
            EndTag();
            branches.Add((condition, condition is null ? ParseBody("endif") : ParseBody("elif", "else", "endif")));
            switch (_tokens.Take().Text)
            {
                case "elif":
                    condition = _expressions.ParseTuple();
                    break;
                case "else":
                    condition = null;
                    break;
                default:
                    EndTag();
                    return new JinjaIf(branches);
            }
        }
    }

    private JinjaFor ParseFor()
    {
        var target = ParseTarget(allowMember: false);
        _tokens.Expect("in");
        var source = _expressions.ParseTuple(withCondition: false);
        var filter = _tokens.TryTake("if") ? _expressions.Parse() : null;
        EndTag();
        _loops++;
        var body = ParseBody("else", "endfor");
        _loops--;
        JinjaBlock? otherwise = null;
        if (_tokens.Take().Text == "else")
        {
            EndTag();
            otherwise = ParseBody("endfor");
            _tokens.Take();
        }

        EndTag();
        return new JinjaFor(target, source, filter, body, otherwise);
    }

    private JinjaStatement ParseSet()
    {
        var target = ParseTarget(allowMember: true);
        if (_tokens.TryTake("="))
        {
            var value = _expressions.ParseTuple();
            EndTag();
            return new JinjaSet(target, value);
        }

        return new JinjaCapture(target, ParseFilters(), ParseBlock("endset"));
    }

    private JinjaCapture ParseFilterBlock()
    {
        var filters = new List<JinjaFilter> { _expressions.ParseFilter(null) };
        filters.AddRange(ParseFilters());
        return new JinjaCapture(null, filters, ParseBlock("endfilter"));
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

    private JinjaMacro ParseMacro()
    {
        var name = _tokens.ExpectName();
        var parameters = new List<(string, JinjaExpression?)>();
        _tokens.Expect("(");
        while (!_tokens.TryTake(")"))
        {
            parameters.Add((_tokens.ExpectName(), _tokens.TryTake("=") ? _expressions.Parse() : null));
            if (!_tokens.Current.IsOperator(")"))
            {
                _tokens.Expect(",");
            }
        }

        var loops = _loops;
        _loops = 0;
        var body = ParseBlock("endmacro");
        _loops = loops;
        return new JinjaMacro(name, parameters, body);
    }

    /// <summary>Parses what is between this tag's end and the tag that closes it.</summary>
    private JinjaBlock ParseBlock(string end)
    {
        EndTag();
        var body = ParseBody(end);
        _tokens.Take();
        if (_tokens.Current.Kind == JinjaTokenKind.Name)
        {
            // {% endmacro name %}
            _tokens.Take();
        }

        EndTag();
        return body;
    }

    private JinjaTarget ParseTarget(bool allowMember)
    {
        var parts = new List<JinjaTarget>();
        var parenthesized = _tokens.TryTake("(");
        do
        {
            if (parts.Count > 0 && _tokens.Current.Kind != JinjaTokenKind.Name)
            {
                break;
            }

            var name = _tokens.ExpectName();
            parts.Add(new JinjaTarget(name, allowMember && _tokens.TryTake(".") ? _tokens.ExpectName() : null, null));
        }
        while (_tokens.TryTake(","));
        if (parenthesized)
        {
            _tokens.Expect(")");
        }

        return parts.Count == 1 ? parts[0] : new JinjaTarget("", null, parts);
    }

    private void EndTag() => _tokens.Expect(JinjaTokenKind.BlockEnd, "'%}'");
}

using System.Runtime.CompilerServices;

namespace PeftCore.Tokenizers;

/// <summary>Parses a template's tags into statements.</summary>
internal sealed partial class JinjaParser
{
    private readonly JinjaTokens _tokens;
    private readonly JinjaExpressionParser _expressions;
    private readonly HashSet<string> _blocks = new(StringComparer.Ordinal);
    private int _loops;

    private JinjaParser(List<JinjaToken> tokens)
    {
        _tokens = new JinjaTokens(tokens);
        _expressions = new JinjaExpressionParser(_tokens);
    }

    /// <summary>The tags that a template can begin a statement with.</summary>
    public static IReadOnlyList<string> Tags { get; } =
    [
        "if", "for", "set", "macro", "call", "filter", "with", "block", "autoescape", "print", "raw", "generation", "break", "continue",
    ];

    /// <summary>Whether the template has generation blocks, which mark the assistant's answers.</summary>
    public bool HasGeneration { get; private set; }

    public static (JinjaBlock Body, bool HasGeneration) Parse(string template)
    {
        try
        {
            var parser = new JinjaParser(JinjaLexer.Tokenize(template));
            var body = parser.ParseBody();
            return parser._tokens.Current.Kind == JinjaTokenKind.End
                ? (new JinjaBlock(body, isTemplate: true), parser.HasGeneration)
                : throw parser._tokens.Bad($"'{parser._tokens.Current.Text}' ends nothing");
        }
        catch (InsufficientExecutionStackException)
        {
            throw JinjaError.At(1, "it nests too deeply");
        }
    }

    /// <summary>Parses up to the end or to a tag with one of the given names, whose name is then the current token.</summary>
    private JinjaBody ParseBody(params string[] ends)
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
                    statements.Add(new JinjaOutput([_expressions.ParseTuple()]));
                    _tokens.Expect(JinjaTokenKind.VariableEnd, "'}}'");
                    break;
                case JinjaTokenKind.BlockBegin when _tokens.Current.Kind == JinjaTokenKind.Name && ends.Contains(_tokens.Current.Text):
                    return new JinjaBody(statements);
                case JinjaTokenKind.BlockBegin:
                    statements.Add(ParseStatement());
                    EndTag();
                    break;
                case JinjaTokenKind.End when ends.Length == 0:
                    return new JinjaBody(statements);
                case JinjaTokenKind.End:
                    throw JinjaError.At(token.Line, $"{ends[^1]} is missing");
                default:
                    throw JinjaError.At(token.Line, $"{token} is out of place");
            }
        }
    }

    /// <summary>Parses a statement up to the end of its last tag.</summary>
    private JinjaStatement ParseStatement()
    {
        int line = _tokens.Current.Line;
        string name = _tokens.ExpectName();
        switch (name)
        {
            case "if":
                return ParseIf();
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet();
            case "macro":
                return ParseMacro(line);
            case "call":
                return ParseCall(line);
            case "filter":
                return ParseFilterBlock();
            case "with":
                return ParseWith();
            case "block":
                return ParseNamedBlock();
            case "autoescape":
                return new JinjaAutoEscape(_expressions.Parse(), ParseInside("endautoescape"));
            case "print":
                return ParsePrint();
            case "generation":
                HasGeneration = true;
                return new JinjaGeneration(new JinjaMacroBody([], ParseApart("endgeneration"), line));
            case "break" or "continue" when _loops > 0:
                return new JinjaJump(name == "break" ? JinjaFlow.Break : JinjaFlow.Continue);
            case "break" or "continue":
                throw _tokens.Bad($"'{name}' stands outside of a loop, or in a macro or block inside it");
            case "include" or "import" or "from" or "extends":
                throw _tokens.Bad($"the tag '{name}' needs other templates, which a chat template has not");
            default:
                throw _tokens.Bad($"there is no tag '{name}' here");
        }
    }

    private JinjaIf ParseIf()
    {
        var branches = new List<(JinjaExpression?, JinjaBody)>();
        var condition = _expressions.ParseTuple(withCondition: false);
        while (true)
        {
            EndHead();
            branches.Add((condition, condition is null ? ParseBody("endif") : ParseBody("elif", "else", "endif")));
            switch (_tokens.Take().Text)
            {
                case "elif":
                    condition = _expressions.ParseTuple(withCondition: false);
                    break;
                case "else":
                    condition = null;
                    break;
                default:
                    return new JinjaIf(branches);
            }
        }
    }

    private JinjaFor ParseFor(int line)
    {
        var target = ParseTarget(JinjaTargetKind.LoopItem, allowMember: false, "in");
        _tokens.Expect("in");
        var source = _expressions.ParseTuple(withCondition: false, "recursive");
        var filter = _tokens.TryTake("if") ? _expressions.Parse() : null;
        bool isRecursive = _tokens.TryTake("recursive");
        EndHead();
        int outside = _loops++;
        var body = ParseBody("else", "endfor");
        // A recursive loop is a function, out of which nothing can jump.
        _loops = isRecursive ? 0 : outside;
        JinjaBody? otherwise = null;
        if (_tokens.Take().Text == "else")
        {
            EndHead();
            otherwise = ParseBody("endfor");
            _tokens.Take();
        }

        _loops = outside;
        return new JinjaFor(target, source, filter, isRecursive, body, otherwise, line);
    }

    private JinjaStatement ParseSet()
    {
        var target = ParseTarget(JinjaTargetKind.Variable, allowMember: true);
        return _tokens.TryTake("=")
            ? new JinjaSet(target, _expressions.ParseTuple())
            : new JinjaSetBlock(target, ParseFilters(), ParseInside("endset"));
    }

    private JinjaOutput ParsePrint()
    {
        var values = new List<JinjaExpression>();
        while (_tokens.Current.Kind != JinjaTokenKind.BlockEnd)
        {
            if (values.Count > 0)
            {
                _tokens.Expect(",");
            }

            values.Add(_expressions.Parse());
        }

        return new JinjaOutput(values);
    }

    /// <summary>Parses what is between this tag's end and the tag that closes it.</summary>
    private JinjaBody ParseInside(string end)
    {
        EndHead();
        var body = ParseBody(end);
        _tokens.Take();
        return body;
    }

    /// <summary>The same for what runs as a function of its own.</summary>
    private JinjaBody ParseApart(string end)
    {
        int loops = _loops;
        _loops = 0;
        var body = ParseInside(end);
        _loops = loops;
        return body;
    }

    private void EndTag() => _tokens.Expect(JinjaTokenKind.BlockEnd, "'%}'");

    // Python programmers may write a colon.
    private void EndHead()
    {
        _tokens.TryTake(":");
        EndTag();
    }
}

using System.Runtime.CompilerServices;

namespace PeftCore.Tokenizers;

/// <summary>Parses expressions, with the precedence that Jinja gives them.</summary>
internal sealed partial class JinjaExpressionParser(JinjaTokens tokens)
{
    private static readonly string[] ComparisonNames = ["==", "!=", "<", "<=", ">", ">="];

    /// <summary>One expression, or several with commas between them as a tuple, which ends before <paramref name="end"/> too.</summary>
    public JinjaExpression ParseTuple(bool withCondition = true, string end = "")
    {
        var first = withCondition ? Parse() : ParseOr();
        if (!tokens.Current.IsOperator(","))
        {
            return first;
        }

        var items = new List<JinjaExpression> { first };
        while (tokens.TryTake(",") && !EndsTuple() && !tokens.Current.IsName(end))
        {
            items.Add(withCondition ? Parse() : ParseOr());
        }

        return new JinjaListExpression(items, isTuple: true);
    }

    /// <summary>An expression without comma.</summary>
    public JinjaExpression Parse()
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var value = ParseOr();
        while (tokens.TryTake("if"))
        {
            var condition = ParseOr();
            value = new JinjaConditional(condition, value, tokens.TryTake("else") ? Parse() : null);
        }

        return value;
    }

    public JinjaExpression ParseOr()
    {
        var left = ParseAnd();
        while (tokens.TryTake("or"))
        {
            left = new JinjaLogic(left, ParseAnd(), isAnd: false);
        }

        return left;
    }

    private JinjaExpression ParseAnd()
    {
        var left = ParseNot();
        while (tokens.TryTake("and"))
        {
            left = new JinjaLogic(left, ParseNot(), isAnd: true);
        }

        return left;
    }

    private JinjaExpression ParseNot()
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return tokens.TryTake("not") ? new JinjaNot(ParseNot()) : ParseComparison();
    }

    private JinjaExpression ParseComparison()
    {
        var first = ParseSum();
        var rest = new List<(string, JinjaExpression)>();
        while (true)
        {
            var token = tokens.Current;
            if (token.Kind == JinjaTokenKind.Operator && ComparisonNames.Contains(token.Text))
            {
                rest.Add((tokens.Take().Text, ParseSum()));
            }
            else if (tokens.TryTake("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (token.IsName("not") && tokens.Next.IsName("in"))
            {
                tokens.Take();
                tokens.Take();
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new JinjaComparison(first, rest);
            }
        }
    }

    private JinjaExpression ParseSum() => ParseChain(ParseConcat, "+", "-");

    private JinjaExpression ParseConcat() => ParseChain(ParseProduct, "~");

    private JinjaExpression ParseProduct() => ParseChain(ParsePower, "*", "/", "//", "%");

    private JinjaExpression ParsePower() => ParseChain(() => ParseUnary(withFilters: true), "**");

    private JinjaExpression ParseChain(Func<JinjaExpression> operand, params string[] names)
    {
        var left = operand();
        while (tokens.Current.Kind == JinjaTokenKind.Operator && names.Contains(tokens.Current.Text))
        {
            left = new JinjaBinary(tokens.Take().Text, left, operand());
        }

        return left;
    }

    private JinjaExpression ParseUnary(bool withFilters)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var value = tokens.TryTake("-") ? new JinjaSign(ParseUnary(withFilters: false), negate: true)
            : tokens.TryTake("+") ? new JinjaSign(ParseUnary(withFilters: false), negate: false)
            : ParsePostfix(ParsePrimary());
        while (withFilters)
        {
            if (tokens.TryTake("|"))
            {
                value = ParseFilter(value);
            }
            else if (tokens.TryTake("is"))
            {
                value = ParseTest(value);
            }
            else if (tokens.Current.IsOperator("("))
            {
                value = new JinjaCall(value, ParseArguments());
            }
            else
            {
                break;
            }
        }

        return value;
    }

    private bool EndsTuple() => tokens.Current.Kind is JinjaTokenKind.BlockEnd or JinjaTokenKind.VariableEnd
        || tokens.Current.IsOperator(")");
}

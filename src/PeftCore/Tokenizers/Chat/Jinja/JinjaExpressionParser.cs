using System.Globalization;
using System.Runtime.CompilerServices;

namespace PeftCore.Tokenizers;

/// <summary>Parses expressions, with the precedence that Jinja gives them.</summary>
internal sealed class JinjaExpressionParser(JinjaTokens tokens)
{
    private static readonly string[] ComparisonNames = ["==", "!=", "<", "<=", ">", ">="];

    /// <summary>One expression, or several with commas between them as a list.</summary>
    public JinjaExpression ParseTuple(bool withCondition = true)
    {
        var first = withCondition ? Parse() : ParseOr();
        if (!tokens.Current.IsOperator(","))
        {
            return first;
        }

        var items = new List<JinjaExpression> { first };
        while (tokens.TryTake(",") && !EndsTuple())
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

    public JinjaArgumentList ParseArguments()
    {
        tokens.Expect("(");
        var positional = new List<JinjaExpression>();
        var named = new List<(string, JinjaExpression)>();
        while (!tokens.TryTake(")"))
        {
            if (tokens.Current.Kind == JinjaTokenKind.Name && tokens.Next.IsOperator("="))
            {
                var name = tokens.Take().Text;
                tokens.Take();
                if (named.Any(n => n.Item1 == name))
                {
                    throw tokens.Bad($"the argument '{name}' is given twice");
                }

                named.Add((name, Parse()));
            }
            else if (named.Count > 0)
            {
                throw tokens.Bad("an argument without a name follows one with a name");
            }
            else
            {
                positional.Add(Parse());
            }

            if (!tokens.Current.IsOperator(")"))
            {
                tokens.Expect(",");
            }
        }

        return new JinjaArgumentList(positional, named);
    }

    public JinjaFilter ParseFilter(JinjaExpression? target)
    {
        var name = tokens.ExpectName();
        if (!JinjaFilters.IsKnown(name))
        {
            throw tokens.Bad($"there is no filter '{name}'");
        }

        return new JinjaFilter(target, name, tokens.Current.IsOperator("(") ? ParseArguments() : JinjaArgumentList.Empty);
    }

    private bool EndsTuple() => tokens.Current.Kind is JinjaTokenKind.BlockEnd or JinjaTokenKind.VariableEnd
        || tokens.Current.IsOperator(")") || tokens.Current.IsOperator("=");

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
        var value = tokens.TryTake("-") ? new JinjaNegative(ParseUnary(withFilters: false), negate: true)
            : tokens.TryTake("+") ? new JinjaNegative(ParseUnary(withFilters: false), negate: false)
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

    private JinjaTest ParseTest(JinjaExpression target)
    {
        var negated = tokens.TryTake("not");
        var name = tokens.ExpectName();
        if (!JinjaTests.IsKnown(name))
        {
            throw tokens.Bad($"there is no test '{name}'");
        }

        var token = tokens.Current;
        var arguments = token.IsOperator("(") ? ParseArguments()
            : token.Kind is JinjaTokenKind.Text or JinjaTokenKind.Integer or JinjaTokenKind.Float || token.IsOperator("[") || token.IsOperator("{")
                || (token.Kind == JinjaTokenKind.Name && token.Text is not ("else" or "or" or "and" or "is" or "if" or "in" or "not" or "recursive"))
            ? new JinjaArgumentList([ParsePostfix(ParsePrimary())], [])
            : JinjaArgumentList.Empty;
        return new JinjaTest(target, name, arguments, negated);
    }

    private JinjaExpression ParsePostfix(JinjaExpression value)
    {
        while (true)
        {
            if (tokens.TryTake("."))
            {
                value = tokens.Current.Kind == JinjaTokenKind.Integer
                    ? new JinjaItem(value, ParsePrimary())
                    : new JinjaMember(value, tokens.ExpectName());
            }
            else if (tokens.TryTake("["))
            {
                value = ParseSubscript(value);
            }
            else if (tokens.Current.IsOperator("("))
            {
                value = new JinjaCall(value, ParseArguments());
            }
            else
            {
                return value;
            }
        }
    }

    private JinjaExpression ParseSubscript(JinjaExpression target)
    {
        var bounds = new JinjaExpression?[3];
        var count = 0;
        while (!tokens.TryTake("]"))
        {
            if (tokens.TryTake(":"))
            {
                if (++count > 2)
                {
                    throw tokens.Bad("a slice has more than three parts");
                }
            }
            else
            {
                bounds[count] = bounds[count] is null ? Parse() : throw tokens.Bad($"{tokens.Current} stands where ']' was expected");
            }
        }

        return count > 0 ? new JinjaSlice(target, bounds[0], bounds[1], bounds[2])
            : new JinjaItem(target, bounds[0] ?? throw tokens.Bad("[] names no item"));
    }

    private JinjaExpression ParsePrimary()
    {
        var token = tokens.Take();
        switch (token.Kind)
        {
            case JinjaTokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new JinjaConstant(true),
                    "false" or "False" => new JinjaConstant(false),
                    "none" or "None" => new JinjaConstant(null),
                    _ => new JinjaName(token.Text),
                };
            case JinjaTokenKind.Text:
                var text = token.Text;
                while (tokens.Current.Kind == JinjaTokenKind.Text)
                {
                    text += tokens.Take().Text;
                }

                return new JinjaConstant(text);
            case JinjaTokenKind.Integer:
                return long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var whole)
                    ? new JinjaConstant(whole)
                    : throw JinjaError.At(token.Line, $"the number {token.Text} has more than 64 bits");
            case JinjaTokenKind.Float:
                return new JinjaConstant(double.Parse(token.Text, NumberStyles.Float, CultureInfo.InvariantCulture));
            case JinjaTokenKind.Operator when token.Text == "(":
                return ParseParentheses();
            case JinjaTokenKind.Operator when token.Text == "[":
                return ParseList();
            case JinjaTokenKind.Operator when token.Text == "{":
                return ParseDict();
            default:
                throw JinjaError.At(token.Line, $"{token} stands where a value was expected");
        }
    }

    private JinjaExpression ParseParentheses()
    {
        if (tokens.TryTake(")"))
        {
            return new JinjaListExpression([], isTuple: true);
        }

        var value = ParseTuple();
        tokens.Expect(")");
        return value;
    }

    private JinjaListExpression ParseList()
    {
        var items = new List<JinjaExpression>();
        while (!tokens.TryTake("]"))
        {
            items.Add(Parse());
            if (!tokens.Current.IsOperator("]"))
            {
                tokens.Expect(",");
            }
        }

        return new JinjaListExpression(items, isTuple: false);
    }

    private JinjaDictExpression ParseDict()
    {
        var items = new List<(JinjaExpression, JinjaExpression)>();
        while (!tokens.TryTake("}"))
        {
            var key = Parse();
            tokens.Expect(":");
            items.Add((key, Parse()));
            if (!tokens.Current.IsOperator("}"))
            {
                tokens.Expect(",");
            }
        }

        return new JinjaDictExpression(items);
    }
}

using System.Globalization;
using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>Parses values and what follows them: members, calls, filters and tests.</summary>
internal sealed partial class JinjaExpressionParser
{
    public JinjaArgumentList ParseArguments()
    {
        tokens.Expect("(");
        var positional = new List<JinjaExpression>();
        var named = new List<(string, JinjaExpression)>();
        JinjaExpression? more = null;
        JinjaExpression? others = null;
        while (!tokens.TryTake(")"))
        {
            if (tokens.Current.IsOperator("*") && more is null && others is null)
            {
                tokens.Take();
                more = Parse();
            }
            else if (tokens.Current.IsOperator("**") && others is null)
            {
                tokens.Take();
                others = Parse();
            }
            else if (others is not null || (more is not null && !tokens.Next.IsOperator("=")))
            {
                throw tokens.Bad("an argument follows '*' or '**'");
            }
            else if (tokens.Current.Kind == JinjaTokenKind.Name && tokens.Next.IsOperator("="))
            {
                string name = tokens.Take().Text;
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

        return new JinjaArgumentList(positional, named, more, others);
    }

    public JinjaFilter ParseFilter(JinjaExpression? target)
    {
        int line = tokens.Current.Line;
        string name = ParseDottedName();
        return new JinjaFilter(target, name, tokens.Current.IsOperator("(") ? ParseArguments() : JinjaArgumentList.Empty, line);
    }

    private string ParseDottedName()
    {
        string name = tokens.ExpectName();
        while (tokens.TryTake("."))
        {
            name += "." + tokens.ExpectName();
        }

        return name;
    }

    private JinjaExpression ParseTest(JinjaExpression target)
    {
        bool negated = tokens.TryTake("not");
        int line = tokens.Current.Line;
        string name = ParseDottedName();
        var token = tokens.Current;
        if (token.IsName("is"))
        {
            throw tokens.Bad("tests cannot be chained");
        }

        // Any name but these begins an argument, "if" and "in" too.
        bool takesOne = token.Kind is JinjaTokenKind.Text or JinjaTokenKind.Integer or JinjaTokenKind.Float || token.IsOperator("[")
            || token.IsOperator("{")
            || (token.Kind == JinjaTokenKind.Name && token.Text is not ("else" or "or" or "and"));
        var arguments = token.IsOperator("(") ? ParseArguments()
            : takesOne ? new JinjaArgumentList([ParsePostfix(ParsePrimary())], [], null, null)
            : JinjaArgumentList.Empty;
        var test = new JinjaTest(target, name, arguments, line);
        return negated ? new JinjaNot(test) : test;
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
        var items = new List<JinjaExpression>();
        while (!tokens.TryTake("]"))
        {
            if (items.Count > 0)
            {
                tokens.Expect(",");
            }

            if (tokens.Current.IsOperator(":"))
            {
                return ParseSlice(target, null, items.Count);
            }

            var item = Parse();
            if (tokens.Current.IsOperator(":"))
            {
                return ParseSlice(target, item, items.Count);
            }

            items.Add(item);
        }

        return new JinjaItem(target, items.Count == 1 ? items[0] : new JinjaListExpression(items, isTuple: true));
    }

    private JinjaSlice ParseSlice(JinjaExpression target, JinjaExpression? start, int before)
    {
        tokens.Expect(":");
        var stop = tokens.Current.IsOperator(":") || tokens.Current.IsOperator("]") ? null : Parse();
        var step = tokens.TryTake(":") && !tokens.Current.IsOperator("]") ? Parse() : null;
        if (before > 0 || !tokens.Current.IsOperator("]"))
        {
            throw tokens.Bad("a slice stands beside another index");
        }

        tokens.Take();
        return new JinjaSlice(target, start, stop, step);
    }

    public JinjaExpression ParsePrimary()
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
                    _ => new JinjaName(token.Text, token.Line),
                };
            case JinjaTokenKind.Text:
                string text = token.Text;
                while (tokens.Current.Kind == JinjaTokenKind.Text)
                {
                    text += tokens.Take().Text;
                }

                return new JinjaConstant(text);
            case JinjaTokenKind.Integer:
                return new JinjaConstant(ReadInteger(token));
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

    private static object ReadInteger(JinjaToken token)
    {
        char radix = token.Text.Length < 2 ? 'd' : char.ToLowerInvariant(token.Text[1]);
        if (token.Text.Length > 4300)
        {
            throw JinjaError.At(token.Line, "an integer has more than 4300 digits");
        }

        return JinjaNumbers.Make(radix switch
        {
            'x' => BigInteger.Parse("0" + token.Text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
            'o' or 'b' => token.Text[2..].Aggregate(BigInteger.Zero, (sum, digit) => sum * (radix == 'o' ? 8 : 2) + (digit - '0')),
            _ => BigInteger.Parse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture),
        });
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

using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Reads one token inside a tag.</summary>
internal static class JinjaTokenReader
{
    // Longer ones first.
    private static readonly string[] Operators =
        ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|", ";"];

    /// <summary>Appends the token at <paramref name="at"/> and returns where it ends.</summary>
    public static int Read(string source, int at, int line, Stack<char> open, List<JinjaToken> tokens)
    {
        var c = source[at];
        if (c is '"' or '\'')
        {
            return ReadString(source, at, line, tokens);
        }

        if (char.IsAsciiDigit(c))
        {
            return ReadNumber(source, at, line, tokens);
        }

        if (char.IsLetter(c) || c == '_')
        {
            var end = at + 1;
            while (end < source.Length && (char.IsLetterOrDigit(source[end]) || source[end] == '_'))
            {
                end++;
            }

            tokens.Add(new JinjaToken(JinjaTokenKind.Name, source[at..end], line));
            return end;
        }

        foreach (var text in Operators)
        {
            if (source.AsSpan(at).StartsWith(text))
            {
                Balance(c, line, open);
                tokens.Add(new JinjaToken(JinjaTokenKind.Operator, text, line));
                return at + text.Length;
            }
        }

        throw JinjaError.At(line, $"the character '{c}' has no meaning in a tag");
    }

    private static void Balance(char c, int line, Stack<char> open)
    {
        if (c is '(' or '[' or '{')
        {
            open.Push(c switch { '(' => ')', '[' => ']', _ => '}' });
        }
        else if (c is ')' or ']' or '}' && (!open.TryPop(out var expected) || expected != c))
        {
            throw JinjaError.At(line, $"'{c}' closes nothing");
        }
    }

    private static int ReadNumber(string source, int at, int line, List<JinjaToken> tokens)
    {
        var end = at;
        var isFloat = false;
        while (end < source.Length)
        {
            var c = source[end];
            var point = c == '.' && !isFloat && end + 1 < source.Length && char.IsAsciiDigit(source[end + 1]);
            var exponent = c is 'e' or 'E' && end + 1 < source.Length
                && (char.IsAsciiDigit(source[end + 1]) || (source[end + 1] is '+' or '-' && end + 2 < source.Length && char.IsAsciiDigit(source[end + 2])));
            if (!(char.IsAsciiDigit(c) || c == '_' || point || exponent))
            {
                break;
            }

            isFloat |= point || exponent;
            end += exponent ? 2 : 1;
        }

        var text = source[at..end].Replace("_", "", StringComparison.Ordinal);
        tokens.Add(new JinjaToken(isFloat ? JinjaTokenKind.Float : JinjaTokenKind.Integer, text, line));
        return end;
    }

    private static int ReadString(string source, int at, int line, List<JinjaToken> tokens)
    {
        var quote = source[at];
        var text = new StringBuilder();
        for (var i = at + 1; i < source.Length; i++)
        {
            var c = source[i];
            if (c == quote)
            {
                tokens.Add(new JinjaToken(JinjaTokenKind.Text, text.ToString(), line));
                return i + 1;
            }

            if (c == '\\' && i + 1 < source.Length)
            {
                i = ReadEscape(source, i + 1, text);
            }
            else
            {
                text.Append(c);
            }
        }

        throw JinjaError.At(line, "a string has no end");
    }

    /// <summary>Reads what follows a backslash and returns its last character's place.</summary>
    private static int ReadEscape(string source, int at, StringBuilder text)
    {
        var digits = source[at] switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0 && at + digits < source.Length
            && int.TryParse(source.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            && (value < 0x10000 || Rune.IsValid(value)))
        {
            text.Append(value < 0x10000 ? ((char)value).ToString() : char.ConvertFromUtf32(value));
            return at + digits;
        }

        text.Append(source[at] switch
        {
            'n' => "\n",
            't' => "\t",
            'r' => "\r",
            'a' => "\a",
            'b' => "\b",
            'f' => "\f",
            'v' => "\v",
            '0' => "\0",
            '\n' => "",
            '\\' or '\'' or '"' => source[at].ToString(),
            var other => "\\" + other,
        });
        return at;
    }
}

using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Reads one token inside a tag.</summary>
internal static class JinjaTokenReader
{
    // Longer ones first.
    private static readonly string[] Operators =
        ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|",
            ";"];

    /// <summary>Appends the token at <paramref name="at"/> and returns where it ends.</summary>
    public static int Read(string source, int at, int line, Stack<char> open, List<JinjaToken> tokens)
    {
        char c = source[at];
        if (c is '"' or '\'')
        {
            return JinjaStringReader.Read(source, at, line, tokens);
        }

        if (char.IsAsciiDigit(c))
        {
            return ReadNumber(source, at, tokens, line);
        }

        int end = EndOfName(source, at);
        if (end > at)
        {
            string name = source[at..end];
            tokens.Add(JinjaStringKinds.IsIdentifier(name) ? new JinjaToken(JinjaTokenKind.Name, name, line)
                : throw JinjaError.At(line, $"'{name}' is not a name"));
            return end;
        }

        foreach (string text in Operators)
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

    private static int EndOfName(string source, int at)
    {
        while (at < source.Length && Rune.TryGetRuneAt(source, at, out var rune) && (JinjaStrings.IsAlphanumeric(rune) || rune.Value == '_'
            || (rune.Value > 0x7F && Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
                or UnicodeCategory.ConnectorPunctuation)))
        {
            at += rune.Utf16SequenceLength;
        }

        return at;
    }

    private static void Balance(char c, int line, Stack<char> open)
    {
        if (c is '(' or '[' or '{')
        {
            open.Push(c switch { '(' => ')', '[' => ']', _ => '}' });
        }
        else if (c is ')' or ']' or '}' && (!open.TryPop(out char expected) || expected != c))
        {
            throw JinjaError.At(line, $"'{c}' closes nothing");
        }
    }

    /// <summary>Reads a float (digits with a point or an exponent; not after a point) or an integer in one of four bases.</summary>
    private static int ReadNumber(string source, int at, List<JinjaToken> tokens, int line)
    {
        if (at == 0 || source[at - 1] != '.')
        {
            int end = Digits(source, at, char.IsAsciiDigit);
            bool isFloat = false;
            if (end < source.Length && source[end] == '.' && Digits(source, end + 1, char.IsAsciiDigit) is var fraction
                && fraction > end + 1)
            {
                (end, isFloat) = (fraction, true);
            }

            if (end < source.Length && source[end] is 'e' or 'E')
            {
                int digits = end + (end + 1 < source.Length && source[end + 1] is '+' or '-' ? 2 : 1);
                int exponent = Digits(source, digits, char.IsAsciiDigit);
                (end, isFloat) = exponent > digits ? (exponent, true) : (end, isFloat);
            }

            if (isFloat)
            {
                tokens.Add(new JinjaToken(JinjaTokenKind.Float, source[at..end].Replace("_", "", StringComparison.Ordinal), line));
                return end;
            }
        }

        int last = source[at] != '0' ? Digits(source, at, char.IsAsciiDigit) : EndOfZero(source, at);
        tokens.Add(new JinjaToken(JinjaTokenKind.Integer, source[at..last].Replace("_", "", StringComparison.Ordinal), line));
        return last;
    }

    private static int EndOfZero(string source, int at)
    {
        Func<char, bool>? digit = at + 1 >= source.Length ? null : char.ToLowerInvariant(source[at + 1]) switch
        {
            'b' => c => c is '0' or '1',
            'o' => c => c is >= '0' and <= '7',
            'x' => char.IsAsciiHexDigit,
            _ => null,
        };
        int start = at + 2;
        start += digit is not null && start < source.Length && source[start] == '_' ? 1 : 0;
        return digit is not null && Digits(source, start, digit) is var end && end > start ? end : Digits(source, at, c => c == '0');
    }

    /// <summary>The end of digits that may have single underscores between them.</summary>
    private static int Digits(string source, int at, Func<char, bool> isDigit)
    {
        int start = at;
        while (at < source.Length && (isDigit(source[at]) || (source[at] == '_' && at > start && at + 1 < source.Length
            && isDigit(source[at + 1]))))
        {
            at++;
        }

        return at;
    }
}

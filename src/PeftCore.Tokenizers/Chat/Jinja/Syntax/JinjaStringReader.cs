using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Reads a string with the escapes of Python.</summary>
internal static class JinjaStringReader
{
    public static int Read(string source, int at, int line, List<JinjaToken> tokens)
    {
        char quote = source[at];
        var text = new StringBuilder();
        for (int i = at + 1; i < source.Length; i++)
        {
            if (source[i] == quote)
            {
                tokens.Add(new JinjaToken(JinjaTokenKind.Text, text.ToString(), line));
                return i + 1;
            }

            if (source[i] != '\\')
            {
                text.Append(source[i]);
            }
            else if (++i < source.Length)
            {
                i = ReadEscape(source, i, line, text);
            }
        }

        throw JinjaError.At(line, "a string has no end");
    }

    /// <summary>Reads the escape after a backslash and returns the index of its last character.</summary>
    private static int ReadEscape(string source, int at, int line, StringBuilder text)
    {
        int digits = source[at] switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (at + digits >= source.Length
                || !uint.TryParse(source.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                    out uint value)
                || !Rune.IsValid(value))
            {
                throw JinjaError.At(line,
                    $"'\\{source[at]}' in a string is not followed by the {digits} hexadecimal digits of a character");
            }

            text.Append(new Rune(value));
            return at + digits;
        }

        if (source[at] is >= '0' and <= '7')
        {
            int end = at;
            int code = 0;
            while (end < source.Length && end < at + 3 && source[end] is >= '0' and <= '7')
            {
                code = code * 8 + (source[end++] - '0');
            }

            text.Append((char)code);
            return end - 1;
        }

        var rune = Rune.TryGetRuneAt(source, at, out var found) ? found : Rune.ReplacementChar;
        text.Append(source[at] switch
        {
            'n' => "\n",
            't' => "\t",
            'r' => "\r",
            'a' => "\a",
            'b' => "\b",
            'f' => "\f",
            'v' => "\v",
            '\n' => "",
            '\\' or '\'' or '"' => source[at].ToString(),
            'N' => throw JinjaError.At(line, "a string has a character by name, '\\N{…}'"),
            // Python writes non-ASCII characters as escapes first, so a backslash before one stays and the one of its escape is consumed.
            > '\x7F' => rune.Value < 0x100 ? $"\\x{rune.Value:x2}" : rune.Value < 0x10000 ? $"\\u{rune.Value:x4}" : $"\\U{rune.Value:x8}",
            var other => "\\" + other,
        });
        return at + rune.Utf16SequenceLength - 1;
    }
}

using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>Parses bracket expressions and the escapes that match one character.</summary>
internal sealed class RegexClassParser(string pattern, Func<string, BadInputException> bad)
{
    private const int MaxDepth = 20;
    private int _depth;

    /// <summary>Parses a bracket expression from after its [ to after its ].</summary>
    public CharacterClass Parse(ref int at, bool ignoreCase)
    {
        if (++_depth > MaxDepth)
        {
            throw bad($"nests more than {MaxDepth} brackets");
        }

        bool negated = at < pattern.Length && pattern[at] == '^';
        at += negated ? 1 : 0;
        CharacterClass? intersection = null;
        var current = CharacterClass.Named(CodePointSet.Empty, "");
        for (bool first = true; ; first = false)
        {
            if (at >= pattern.Length)
            {
                throw bad("has a [ without its ]");
            }

            if (pattern[at] == ']' && !first)
            {
                at++;
                break;
            }

            if (string.CompareOrdinal(pattern, at, "&&", 0, 2) == 0)
            {
                at += 2;
                intersection = And(intersection, current);
                current = CharacterClass.Named(CodePointSet.Empty, "");
                continue;
            }

            current = current.Union(ParseItem(ref at, ignoreCase));
        }

        _depth--;
        var result = And(intersection, current);
        if (ignoreCase)
        {
            result = CharacterClass.Of(CaseFolding.Close(result.Set));
        }

        return negated ? result.Negate() : result;
    }

    /// <summary>Parses an escape, from its backslash, that matches one character or a class of characters.</summary>
    public CharacterClass ParseEscape(ref int at, bool inBrackets)
    {
        if (at + 1 >= pattern.Length)
        {
            throw bad("ends with a lone backslash");
        }

        char c = pattern[at + 1];
        var word = inBrackets ? RegexClasses.Word : RegexClasses.WordEscape;
        var known = c switch
        {
            'd' => RegexClasses.Digit,
            'D' => RegexClasses.Digit.Negate(),
            's' => RegexClasses.Space,
            'S' => RegexClasses.Space.Negate(),
            'w' => word,
            'W' => word.Negate(),
            'h' => RegexClasses.HexDigit,
            'H' => RegexClasses.HexDigit.Negate(),
            'p' or 'P' => ParseProperty(ref at),
            _ => null,
        };
        if (known is not null)
        {
            at += c is 'p' or 'P' ? 0 : 2;
            return known;
        }

        return CharacterClass.Single(ParseCharacter(ref at));
    }

    private static CharacterClass And(CharacterClass? left, CharacterClass right) =>
        left is null ? right : CharacterClass.Of(left.Set.Intersect(right.Set));

    private CharacterClass ParseItem(ref int at, bool ignoreCase)
    {
        if (pattern[at] == '[')
        {
            if (string.CompareOrdinal(pattern, at, "[:", 0, 2) == 0 && ParsePosix(ref at) is { } posix)
            {
                return posix;
            }

            at++;
            return Parse(ref at, ignoreCase);
        }

        var start = pattern[at] == '\\' ? ParseEscape(ref at, inBrackets: true) : CharacterClass.Single(Literal(ref at));
        if (start.Set.RangeCount != 1 || start.Set[0].First != start.Set[0].Last
            || at + 1 >= pattern.Length || pattern[at] != '-' || pattern[at + 1] is ']' or '[')
        {
            return start;
        }

        int mark = at++;
        var end = pattern[at] == '\\' ? ParseEscape(ref at, inBrackets: true) : CharacterClass.Single(Literal(ref at));
        if (end.Set.RangeCount != 1 || end.Set[0].First != end.Set[0].Last)
        {
            // As in [a-\d]: the hyphen is only a hyphen.
            at = mark;
            return start;
        }

        var (first, last) = (start.Set[0].First, end.Set[0].First);
        if (first > last)
        {
            throw bad("has a range that runs backwards");
        }

        string? inner = start.Inner is not null && end.Inner is not null && (last < 0xE000 || first > 0xF8FF) ? $"{start.Inner}-{end.Inner}"
            : null;
        return CharacterClass.Named(CodePointSet.Range(first, last), inner);
    }

    private CharacterClass? ParsePosix(ref int at)
    {
        int end = pattern.IndexOf(":]", at + 2, StringComparison.Ordinal);
        if (end < 0)
        {
            return null;
        }

        string name = pattern[(at + 2)..end];
        bool negated = name.StartsWith('^');
        name = negated ? name[1..] : name;
        // In brackets, unlike in \p, punctuation takes the symbols too.
        var found = name == "punct"
            ? CharacterClass.Named(CategorySets.Find("P")!.Union(CategorySets.Find("S")!), @"\p{P}\p{S}")
            : RegexClasses.Posix(name);
        if (found is null)
        {
            return null;
        }

        at = end + 2;
        return negated ? found.Negate() : found;
    }

    private CharacterClass ParseProperty(ref int at)
    {
        int end = at + 2 < pattern.Length && pattern[at + 2] == '{' ? pattern.IndexOf('}', at) : -1;
        if (end < 0)
        {
            throw bad($"has \\{pattern[at + 1]} without a {{name}}");
        }

        string name = pattern[(at + 3)..end];
        bool negated = pattern[at + 1] == 'P';
        if (name.StartsWith('^'))
        {
            name = name[1..];
            negated = !negated;
        }

        var found = RegexClasses.Find(name) ?? throw bad($"names the character property \"{name}\", which is not known,");
        at = end + 1;
        return negated ? found.Negate() : found;
    }

    private int Literal(ref int at)
    {
        int codePoint = pattern.AsSpan().CodePointAt(at);
        at += pattern.AsSpan().CodePointLength(at);
        return codePoint;
    }

    /// <summary>Parses an escaped character, from its backslash.</summary>
    private int ParseCharacter(ref int at)
    {
        char c = pattern[at + 1];
        switch (c)
        {
            case 'x' when at + 2 < pattern.Length && pattern[at + 2] == '{':
                int close = pattern.IndexOf('}', at);
                return Hex(ref at, at + 3, close < 0 ? 0 : close - at - 3, 1);
            case 'x':
                int digits = 0;
                while (digits < 2 && at + 2 + digits < pattern.Length && char.IsAsciiHexDigit(pattern[at + 2 + digits]))
                {
                    digits++;
                }

                return Hex(ref at, at + 2, digits, 0);
            case 'u':
                return Hex(ref at, at + 2, 4, 0);
            case '0':
                int end = at + 2;
                while (end < pattern.Length && end < at + 4 && pattern[end] is >= '0' and <= '7')
                {
                    end++;
                }

                int octal = Convert.ToInt32("0" + pattern[(at + 2)..end], 8);
                at = end;
                return octal;
        }

        at++;
        int codePoint = Literal(ref at);
        return codePoint switch
        {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\f',
            'v' => '\v',
            'a' => '\a',
            'e' => 0x1B,
            'b' => '\b',
            < 0x80 when char.IsAsciiLetterOrDigit((char)codePoint) => throw bad($"uses \\{(char)codePoint}, which is not supported,"),
            _ => codePoint,
        };
    }

    private int Hex(ref int at, int start, int length, int closing)
    {
        if (length is < 1 or > 8 || start + length > pattern.Length
            || !int.TryParse(pattern.AsSpan(start, length), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int value)
            || value > 0x10FFFF || value is >= 0xD800 and <= 0xDFFF)
        {
            throw bad("has an escape that is not a character's number");
        }

        at = start + length + closing;
        return value;
    }
}

using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>Parses the regular expressions of tokenizer.json, which are Oniguruma's with Ruby's syntax. What needs captured text (back
/// references, conditions, calls) is refused: no tokenizer has it. The grammar is one file of more than 300 lines, because a
/// recursive-descent parser is read as a whole.</summary>
internal sealed class RegexParser
{
    private const int MaxDepth = 100;
    private const int MaxRepeat = 1000;
    private const int MaxQuantifiers = 8;
    private const int MaxLength = 20_000;
    private readonly string _pattern;
    private int _at;
    private int _depth;

    private RegexParser(string pattern) => _pattern = pattern;

    private readonly record struct Options(bool IgnoreCase, bool DotAll, bool Extended);

    private char Current => _at < _pattern.Length ? _pattern[_at] : '\0';

    private bool AtEnd => _at >= _pattern.Length;

    public static RegexNode Parse(string pattern)
    {
        var parser = new RegexParser(pattern);
        if (pattern.Length > MaxLength)
        {
            throw parser.Bad($"is longer than {MaxLength} characters");
        }

        var node = parser.ParseAlternation(default);
        return parser.AtEnd ? node : throw parser.Bad("has a ) without its (");
    }

    internal BadInputException Bad(string why) =>
        new($"The regular expression \"{(_pattern.Length <= 200 ? _pattern : _pattern[..200] + "…")}\" "
        + $"{why} at character {_at}; this library reads Oniguruma's syntax without captures, so write it another way.");

    private RegexNode ParseAlternation(Options options)
    {
        if (++_depth > MaxDepth)
        {
            throw Bad($"nests more than {MaxDepth} groups");
        }

        var branches = new List<RegexNode>();
        do
        {
            branches.Add(ParseSequence(options));
        }
        while (Take('|'));
        _depth--;
        return branches.Count == 1 ? branches[0] : new RegexNode.Alternation(branches);
    }

    private RegexNode ParseSequence(Options options)
    {
        var parts = new List<RegexNode>();
        while (!AtEnd && Current is not ('|' or ')'))
        {
            if (options.Extended && (char.IsWhiteSpace(Current) || Current == '#'))
            {
                SkipComment();
            }
            else if (ParseAtom(options) is { } atom)
            {
                parts.Add(ParseQuantifiers(atom));
            }
        }

        return parts.Count == 1 ? parts[0] : new RegexNode.Sequence(parts);
    }

    private void SkipComment()
    {
        if (_pattern[_at++] == '#')
        {
            while (!AtEnd && _pattern[_at++] != '\n')
            {
            }
        }
    }

    private RegexNode? ParseAtom(Options options)
    {
        char c = Current;
        switch (c)
        {
            case '(':
                _at++;
                return ParseGroup(options);
            case '[':
                _at++;
                return new RegexNode.Character(new RegexClassParser(_pattern, Bad).Parse(ref _at, options.IgnoreCase));
            case '.':
                _at++;
                return new RegexNode.Character(options.DotAll ? RegexClasses.Any : RegexClasses.NotNewline);
            case '^':
                _at++;
                return new RegexNode.Anchor(@"(?:\A|(?<=\n)(?!\z))");
            case '$':
                _at++;
                return new RegexNode.Anchor(@"(?=\n|\z)");
            case '*' or '+' or '?':
                throw Bad("repeats nothing");
            case '\\':
                return ParseEscape(options);
            default:
                int codePoint = _pattern.AsSpan().CodePointAt(_at);
                _at += _pattern.AsSpan().CodePointLength(_at);
                return Literal(codePoint, options);
        }
    }

    private static RegexNode.Character Literal(int codePoint, Options options)
    {
        var single = CharacterClass.Single(codePoint);
        if (options.IgnoreCase && CaseFolding.Close(single.Set) is { } closed && closed.RangeCount > 1)
        {
            return new RegexNode.Character(CharacterClass.Of(closed));
        }

        return new RegexNode.Character(single);
    }

    private RegexNode ParseEscape(Options options)
    {
        char next = _at + 1 < _pattern.Length ? _pattern[_at + 1] : throw Bad("ends with a lone backslash");
        RegexNode? place = next switch
        {
            'A' => new RegexNode.Anchor(@"\A"),
            'z' => new RegexNode.Anchor(@"\z"),
            'Z' => new RegexNode.Anchor(@"(?=\n?\z)"),
            'b' => new RegexNode.WordBoundary(false),
            'B' => new RegexNode.WordBoundary(true),
            'R' => new RegexNode.Anchor(@"(?>\r\n|[\n-\r\u0085\u2028\u2029])"),
            'N' => new RegexNode.Character(RegexClasses.NotNewline),
            'O' => new RegexNode.Character(RegexClasses.Any),
            'G' or 'K' or 'X' or 'k' or 'g' or (>= '1' and <= '9') => throw Bad($"uses \\{next}, which is not supported,"),
            _ => null,
        };
        if (place is not null)
        {
            _at += 2;
            return place;
        }

        var escape = new RegexClassParser(_pattern, Bad).ParseEscape(ref _at, inBrackets: false);
        return escape.Set.RangeCount == 1 && escape.Set[0].First == escape.Set[0].Last
            ? Literal(escape.Set[0].First, options)
            : new RegexNode.Character(escape);
    }

    private RegexNode? ParseGroup(Options options)
    {
        foreach (var (opening, net) in Openings)
        {
            if (_pattern.AsSpan(_at).StartsWith(opening, StringComparison.Ordinal))
            {
                _at += opening.Length;
                return CloseGroup(net, options);
            }
        }

        if (!Take('?'))
        {
            return CloseGroup("(?:", options);
        }

        if (Take('#'))
        {
            int end = _pattern.IndexOf(')', _at);
            _at = end < 0 ? throw Bad("has a comment without end") : end + 1;
            return null;
        }

        if (Current is '<' or '\'')
        {
            int end = _pattern.IndexOf(Current == '<' ? '>' : '\'', _at + 1);
            _at = end < 0 ? throw Bad("has a group name without end") : end + 1;
            return CloseGroup("(?:", options);
        }

        return ParseOptions(options);
    }

    private static readonly (string Opening, string Net)[] Openings =
        [("?:", "(?:"), ("?=", "(?="), ("?!", "(?!"), ("?>", "(?>"), ("?<=", "(?<="), ("?<!", "(?<!")];

    /// <summary>Reads (?i-m:…) or (?i-m), which holds to the end of the group around it.</summary>
    private RegexNode ParseOptions(Options options)
    {
        bool on = true;
        for (; ; _at++)
        {
            switch (Current)
            {
                case 'i':
                    options = options with { IgnoreCase = on };
                    break;
                case 'm':
                    options = options with { DotAll = on };
                    break;
                case 'x':
                    options = options with { Extended = on };
                    break;
                case '-':
                    on = false;
                    break;
                case ':':
                    _at++;
                    return CloseGroup("(?:", options);
                case ')':
                    _at++;
                    return new RegexNode.Group("(?:", ParseAlternation(options));
                default:
                    throw Bad("opens a kind of group that is not supported");
            }
        }
    }

    private RegexNode.Group CloseGroup(string net, Options options)
    {
        var body = ParseAlternation(options);
        return Take(')') ? new RegexNode.Group(net, body) : throw Bad("has a ( without its )");
    }

    private RegexNode ParseQuantifiers(RegexNode atom)
    {
        for (int count = 0; ParseCount() is var (min, max, interval); count++)
        {
            if (count == MaxQuantifiers)
            {
                throw Bad($"repeats one part in more than {MaxQuantifiers} ways");
            }

            var greed = Greed.Greedy;
            if (Current == '?' && !(interval && min == max))
            {
                _at++;
                greed = Greed.Lazy;
            }
            else if (Current == '+' && !interval)
            {
                // In Ruby's syntax a + after an interval repeats the interval.
                _at++;
                greed = Greed.Possessive;
            }

            atom = new RegexNode.Repeat(atom, min, max, greed);
        }

        return atom;
    }

    private (int Min, int Max, bool Interval)? ParseCount()
    {
        switch (Current)
        {
            case '*':
                _at++;
                return (0, -1, false);
            case '+':
                _at++;
                return (1, -1, false);
            case '?' when !AtEnd:
                _at++;
                return (0, 1, false);
            case '{':
                return ParseInterval();
            default:
                return null;
        }
    }

    /// <summary>Reads {n}, {n,}, {,m} or {n,m}; anything else in braces is literal text.</summary>
    private (int Min, int Max, bool Interval)? ParseInterval()
    {
        int end = _pattern.IndexOf('}', _at);
        if (end < 0)
        {
            return null;
        }

        string[] parts = _pattern[(_at + 1)..end].Split(',');
        if (parts.Length > 2 || parts.All(p => p.Length == 0) || !parts.All(p => p.All(char.IsAsciiDigit)))
        {
            return null;
        }

        int[] counts = parts.Select(p => p.Length == 0 ? -1 : p.Length <= 4 ? int.Parse(p, NumberStyles.None, CultureInfo.InvariantCulture)
            : MaxRepeat + 1).ToArray();
        int min = Math.Max(counts[0], 0);
        int max = counts.Length == 1 ? min : counts[1];
        if (min > MaxRepeat || max > MaxRepeat || (max >= 0 && max < min))
        {
            throw Bad($"has a repetition that is not from 0 to {MaxRepeat} times");
        }

        _at = end + 1;
        return (min, max, true);
    }

    private bool Take(char c)
    {
        if (AtEnd || Current != c)
        {
            return false;
        }

        _at++;
        return true;
    }
}

namespace PeftCore.Tokenizers;

/// <summary>Lets .NET's regular expressions, which see UTF-16 units, work on whole code points: every code point beyond the basic plane
/// (and every private-use one) is replaced by a private-use character that represents all code points that the classes of the expression
/// do not tell apart. There are few of those, so that the basic plane's 6400 private-use characters suffice.</summary>
internal sealed class CodePointRemapper
{
    private const int FirstPlaceholder = 0xE000;
    private const int MaxPlaceholders = 6400;
    private const int MaxSets = 1000;
    private readonly int[] _starts;
    private readonly char[] _placeholders;
    private readonly List<int> _samples = [];

    public CodePointRemapper(IEnumerable<CodePointSet> all)
    {
        // A set with no code point at or above the private-use area distinguishes none there.
        var sets = all.Where(s => s.RangeCount > 0 && s[s.RangeCount - 1].Last >= FirstPlaceholder).Distinct().ToList();
        if (sets.Count > MaxSets)
        {
            throw new BadInputException($"A regular expression of the tokenizer has {sets.Count} character classes beyond the basic plane; "
                + $"simplify it to at most {MaxSets}.");
        }

        var starts = new SortedSet<int> { 0xE000, 0xF900, 0x10000 };
        foreach (var (first, last) in sets.SelectMany(s => s.Ranges()))
        {
            starts.Add(Math.Max(first, 0xE000));
            starts.Add(Math.Max(last + 1, 0xE000));
        }

        _starts = [.. starts];
        _placeholders = new char[_starts.Length];
        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < _starts.Length; i++)
        {
            int start = _starts[i];
            string membership = string.Create(sets.Count, start, (bits, at) =>
            {
                for (int s = 0; s < bits.Length; s++)
                {
                    bits[s] = sets[s].Contains(at) ? '1' : '0';
                }
            });
            if (!known.TryGetValue(membership, out int index))
            {
                index = known.Count;
                if (index == MaxPlaceholders)
                {
                    throw new BadInputException("A regular expression of the tokenizer tells more kinds of characters apart than this "
                        + "library can (6400); simplify its character classes.");
                }

                known.Add(membership, index);
                _samples.Add(start);
            }

            _placeholders[i] = (char)(FirstPlaceholder + index);
        }
    }

    /// <summary>The substitute characters whose code points belong to a set, for use inside a character class.</summary>
    public string Of(CodePointSet set) =>
        string.Concat(_samples.Select((sample, i) => set.Contains(sample) ? ((char)(FirstPlaceholder + i)).ToString() : ""));

    /// <summary>Whether a text needs substitution: it has surrogates or private-use characters.</summary>
    public static bool Needed(ReadOnlySpan<char> text) => text.ContainsAnyInRange('\uD800', '\uF8FF');

    /// <summary>The text with one unit a code point, and where each unit began.</summary>
    public (char[] Text, int[] Positions) Replace(ReadOnlySpan<char> text)
    {
        int count = CodePoints.Count(text);
        char[] result = new char[count];
        int[] positions = new int[count + 1];
        for (int i = 0, unit = 0; unit < count; unit++)
        {
            char c = text[i];
            positions[unit] = i;
            result[unit] = c is < '\uD800' or > '\uF8FF' ? c : PlaceholderOf(text.CodePointAt(i));
            i += text.CodePointLength(i);
        }

        positions[count] = text.Length;
        return (result, positions);
    }

    private char PlaceholderOf(int codePoint)
    {
        int index = Array.BinarySearch(_starts, codePoint);
        return _placeholders[index >= 0 ? index : Math.Max(~index - 1, 0)];
    }
}

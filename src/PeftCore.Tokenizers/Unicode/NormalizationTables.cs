using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>Unicode 9's decompositions, compositions and combining classes, the version that Hugging Face tokenizers normalizes with. Read
/// from the table beside this file; Hangul is computed.</summary>
internal sealed class NormalizationTables
{
    private static readonly Lazy<NormalizationTables> Shared = new(() => new NormalizationTables());
    private readonly Dictionary<int, int[]> _canonical = [];
    private readonly Dictionary<int, int[]> _compatible = [];
    private readonly Dictionary<(int, int), int> _compositions = [];
    private readonly Dictionary<int, byte> _classes = [];

    private NormalizationTables()
    {
        foreach (string line in UnicodeResource.Lines("Normalization.txt"))
        {
            string[] entries = line.Split(' ');
            foreach (string? entry in entries.AsSpan(1))
            {
                string[] sides = entry.Split('=');
                Add(entries[0], sides[0], sides[1]);
            }
        }
    }

    public static NormalizationTables Instance => Shared.Value;

    /// <summary>The full decomposition, or null for a character that has none. Hangul syllables are not in the table.</summary>
    public int[]? Decompose(int codePoint, bool compatible) =>
        compatible && _compatible.TryGetValue(codePoint, out int[]? loose) ? loose : _canonical.GetValueOrDefault(codePoint);

    public int CombiningClass(int codePoint) => codePoint < 0x300 ? 0 : _classes.GetValueOrDefault(codePoint);

    /// <summary>The character that two characters make, or -1.</summary>
    public int Compose(int first, int second)
    {
        if (first is >= Hangul.FirstLeading and < Hangul.FirstLeading + Hangul.LeadingCount
            && second is >= Hangul.FirstVowel and < Hangul.FirstVowel + Hangul.VowelCount)
        {
            return Hangul.FirstSyllable
                + ((first - Hangul.FirstLeading) * Hangul.VowelCount + (second - Hangul.FirstVowel)) * Hangul.TrailingCount;
        }

        if (Hangul.IsSyllable(first) && (first - Hangul.FirstSyllable) % Hangul.TrailingCount == 0
            && second is > Hangul.BeforeTrailing and < Hangul.BeforeTrailing + Hangul.TrailingCount)
        {
            return first + (second - Hangul.BeforeTrailing);
        }

        return _compositions.GetValueOrDefault((first, second), -1);
    }

    private void Add(string kind, string left, string right)
    {
        switch (kind)
        {
            case "canonical":
                _canonical[Hex(left)] = [.. right.Split('+').Select(Hex)];
                break;
            case "compatible":
                _compatible[Hex(left)] = [.. right.Split('+').Select(Hex)];
                break;
            case "compose":
                string[] pair = left.Split('+');
                _compositions[(Hex(pair[0]), Hex(pair[1]))] = Hex(right);
                break;
            case "class":
                foreach (var (first, last) in Scripts.ParseRanges(left))
                {
                    for (int c = first; c <= last; c++)
                    {
                        _classes[c] = byte.Parse(right, NumberStyles.None, CultureInfo.InvariantCulture);
                    }
                }

                break;
        }
    }

    private static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}

/// <summary>The arithmetic of Hangul syllables (Unicode Standard, section 3.12).</summary>
internal static class Hangul
{
    public const int FirstSyllable = 0xAC00;
    public const int FirstLeading = 0x1100;
    public const int LeadingCount = 19;
    public const int FirstVowel = 0x1161;
    public const int VowelCount = 21;
    public const int BeforeTrailing = 0x11A7;
    public const int TrailingCount = 28;

    public static bool IsSyllable(int codePoint) =>
        codePoint is >= FirstSyllable and < FirstSyllable + LeadingCount * VowelCount * TrailingCount;
}

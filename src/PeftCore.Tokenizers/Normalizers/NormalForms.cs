using System.Runtime.InteropServices;

namespace PeftCore.Tokenizers;

/// <summary>Unicode's normal forms (UAX 15), with the alignment that Hugging Face tokenizers keeps: the first character of a decomposition
/// replaces the original and the others are inserted; a composition replaces its first character and removes the others.</summary>
internal static class NormalForms
{
    public static AlignedText Apply(AlignedText text, bool compatible, bool compose)
    {
        if (IsSurelyNormal(text.Chars, compatible, compose))
        {
            return text;
        }

        var rewrites = Decompose(text.Chars, compatible);
        return text.Transform(compose ? Compose(rewrites) : rewrites);
    }

    /// <summary>Below U+00C0 (U+00A0 for the compatible forms) nothing decomposes, and below U+0300 nothing composes.</summary>
    private static bool IsSurelyNormal(ReadOnlySpan<char> text, bool compatible, bool compose) =>
        !text.ContainsAnyExceptInRange('\0', compatible ? '\u009F' : compose ? '\u02FF' : '\u00BF');

    private static List<Rewrite> Decompose(ReadOnlySpan<char> text, bool compatible)
    {
        var tables = NormalizationTables.Instance;
        var result = new List<Rewrite>(text.Length + 16);
        int pending = 0;
        for (int i = 0; i < text.Length; i += text.CodePointLength(i))
        {
            int codePoint = text.CodePointAt(i);
            if (codePoint < 0x80)
            {
                Push(codePoint, 0);
            }
            else if (Hangul.IsSyllable(codePoint))
            {
                int index = codePoint - Hangul.FirstSyllable;
                Push(Hangul.FirstLeading + index / (Hangul.VowelCount * Hangul.TrailingCount), 0);
                Push(Hangul.FirstVowel + index % (Hangul.VowelCount * Hangul.TrailingCount) / Hangul.TrailingCount, 1);
                if (index % Hangul.TrailingCount > 0)
                {
                    Push(Hangul.BeforeTrailing + index % Hangul.TrailingCount, 1);
                }
            }
            else if (tables.Decompose(codePoint, compatible) is { } parts)
            {
                for (int p = 0; p < parts.Length; p++)
                {
                    Push(parts[p], p == 0 ? 0 : 1);
                }
            }
            else
            {
                Push(codePoint, 0);
            }
        }

        Sort(result, pending, tables);
        return result;

        void Push(int codePoint, int change)
        {
            if (tables.CombiningClass(codePoint) == 0)
            {
                Sort(result, pending, tables);
                pending = result.Count + 1;
            }

            result.Add(new Rewrite(codePoint, change));
        }
    }

    /// <summary>Puts the marks after the last starter in the order of their combining classes.</summary>
    private static void Sort(List<Rewrite> rewrites, int start, NormalizationTables tables)
    {
        var marks = CollectionsMarshal.AsSpan(rewrites)[Math.Min(start, rewrites.Count)..];
        if (marks.Length < 2)
        {
            return;
        }

        var sorted = marks.ToArray().OrderBy(m => tables.CombiningClass(m.CodePoint)).ToArray();
        sorted.CopyTo(marks);
    }

    private static List<Rewrite> Compose(List<Rewrite> decomposed)
    {
        var tables = NormalizationTables.Instance;
        var result = new List<Rewrite>(decomposed.Count);
        int starter = -1;
        int lastClass = -1;
        foreach (var next in decomposed)
        {
            int combiningClass = tables.CombiningClass(next.CodePoint);
            // A mark is blocked from the starter by one of the same or a higher class between them.
            if (starter >= 0 && lastClass < combiningClass
                && tables.Compose(result[starter].CodePoint, next.CodePoint) is >= 0 and var composed
                && (lastClass >= 0 || starter == result.Count - 1))
            {
                result[starter] = new Rewrite(composed, result[starter].Change + next.Change - 1);
                continue;
            }

            if (combiningClass == 0)
            {
                starter = result.Count;
                lastClass = -1;
            }
            else if (starter >= 0)
            {
                lastClass = combiningClass;
            }

            result.Add(next);
        }

        return result;
    }
}

using System.Globalization;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Strings as Python has them: sequences of code points.</summary>
internal static class JinjaStrings
{
    public static bool IsSpace(int c) => c is (>= '\t' and <= '\r') or (>= 0x1C and <= ' ') or 0x85 or 0xA0
        || (c is > 0xFF and < 0x10000 && char.IsWhiteSpace((char)c));

    /// <summary>The order by code points, which UTF-16 has not.</summary>
    public static int Compare(string a, string b)
    {
        int at = a.AsSpan().CommonPrefixLength(b);
        return at == a.Length || at == b.Length ? a.Length.CompareTo(b.Length)
            : char.IsSurrogate(a[at]) == char.IsSurrogate(b[at]) ? a[at].CompareTo(b[at])
            : char.IsSurrogate(a[at]) ? 1 : -1;
    }

    public static IEnumerable<object?> Characters(string text)
    {
        for (int i = 0; i < text.Length;)
        {
            int length = text.AsSpan().CodePointLength(i);
            yield return text.Substring(i, length);
            i += length;
        }
    }

    public static string Reverse(string text)
    {
        char[] result = text.ToCharArray();
        Array.Reverse(result);
        for (int i = 0; i + 1 < result.Length; i++)
        {
            if (char.IsLowSurrogate(result[i]) && char.IsHighSurrogate(result[i + 1]))
            {
                (result[i], result[i + 1]) = (result[i + 1], result[i]);
                i++;
            }
        }

        return new string(result);
    }

    /// <summary>Every so many characters of a text without surrogates.</summary>
    public static string Pick(string text, long first, long last, long step)
    {
        var result = new StringBuilder();
        for (long i = first; step > 0 ? i < last : i > last; i += step)
        {
            result.Append(text[(int)i]);
        }

        return result.ToString();
    }

    /// <summary>The UTF-16 index of a code point.</summary>
    public static int UnitOf(string text, long point)
    {
        if (!CodePoints.HasSurrogates(text))
        {
            return (int)point;
        }

        int unit = 0;
        for (long i = 0L; i < point; i++)
        {
            unit += text.AsSpan().CodePointLength(unit);
        }

        return unit;
    }

    public static string Slice(string text, long start, long stop) =>
        start >= stop ? "" : text[UnitOf(text, start)..UnitOf(text, stop)];

    public static string Strip(string text, object? chars, bool left, bool right)
    {
        if (chars is not (null or string or JinjaMarkup))
        {
            throw JinjaError.Of($"strip takes a string of characters, not {JinjaText.Describe(chars)}");
        }

        var set = chars is null ? null : JinjaText.Str(chars).EnumerateRunes().Select(r => r.Value).ToHashSet();
        var (start, end) = (0, text.Length);
        while (left && start < end && Matches(text.AsSpan().CodePointAt(start)))
        {
            start += text.AsSpan().CodePointLength(start);
        }

        while (right && end > start && Last() is var at && Matches(text.AsSpan().CodePointAt(at)))
        {
            end = at;
        }

        return text[start..end];

        bool Matches(int c) => set?.Contains(c) ?? IsSpace(c);

        int Last() => end >= 2 && char.IsLowSurrogate(text[end - 1]) && char.IsHighSurrogate(text[end - 2]) ? end - 2 : end - 1;
    }

    /// <summary>The lines of a text by all line boundaries of Python's splitlines.</summary>
    public static List<string> Lines(string text, bool keepEnds)
    {
        var result = new List<string>();
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && !IsLineEnd(text[end]))
            {
                end++;
            }

            int next = end >= text.Length ? end : text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            result.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }

        return result;
    }

    /// <summary>The parts of a text between white space.</summary>
    public static List<string> Words(string text, long limit = -1, bool fromRight = false)
    {
        var result = new List<string>();
        var (start, end) = (0, text.Length);
        while (true)
        {
            while (start < end && IsSpace(text[fromRight ? end - 1 : start]))
            {
                (start, end) = fromRight ? (start, end - 1) : (start + 1, end);
            }

            if (start == end)
            {
                break;
            }

            if (limit >= 0 && result.Count >= limit)
            {
                result.Add(text[start..end]);
                break;
            }

            int at = fromRight ? end - 1 : start;
            while (at >= start && at < end && !IsSpace(text[at]))
            {
                at += fromRight ? -1 : 1;
            }

            result.Add(fromRight ? text[(at + 1)..end] : text[start..at]);
            (start, end) = fromRight ? (start, at + 1) : (at, end);
        }

        if (fromRight)
        {
            result.Reverse();
        }

        return result;
    }

    public static string Replace(string text, string old, string fresh, long count, JinjaRun run)
    {
        var result = new StringBuilder();
        int at = 0;
        for (long done = 0L; count < 0 || done < count; done++)
        {
            int found = old.Length > 0 ? text.IndexOf(old, at, StringComparison.Ordinal) : done == 0 ? 0 : at < text.Length ? Next(at) : -1;
            if (found < 0)
            {
                break;
            }

            run.Spend(fresh.Length + 1L);
            result.Append(text, at, found - at).Append(fresh);
            at = found + old.Length;
        }

        return at == 0 && result.Length == 0 ? text : run.Made(result.Append(text, at, text.Length - at).ToString());

        int Next(int place) => place + text.AsSpan().CodePointLength(place);
    }

    /// <summary>How often a part occurs, without overlaps.</summary>
    public static long Count(string text, string part)
    {
        long count = 0L;
        for (int at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length,
            StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }

    public static string Pad(string text, long width, char fill, double left, JinjaRun run)
    {
        long missing = width - CodePoints.Count(text);
        if (missing <= 0)
        {
            return text;
        }

        run.Spend(missing);
        long before = left == 0.5 ? missing / 2 + (missing & width & 1) : (long)(missing * left);
        return new string(fill, (int)before) + text + new string(fill, (int)(missing - before));
    }

    public static bool IsDecimal(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.DecimalDigitNumber;

    public static bool IsDigit(Rune rune) => IsDecimal(rune) || CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0;

    public static bool IsNumeric(Rune rune) => IsDigit(rune) || CharUnicodeInfo.GetNumericValue(rune.ToString(), 0) != -1;

    public static bool IsAlphanumeric(Rune rune) => Rune.IsLetter(rune) || IsNumeric(rune);

    private static bool IsLineEnd(char c) => c is (>= '\n' and <= '\r') or (>= '\x1C' and <= '\x1E') or '\x85' or '\u2028' or '\u2029';
}

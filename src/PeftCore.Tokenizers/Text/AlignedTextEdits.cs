namespace PeftCore.Tokenizers;

/// <summary>One code point of a rewritten text. <paramref name="Change"/> says how it relates to the text before: 0 replaces one
/// character, 1 is inserted, -n replaces one character and removes the n after it.</summary>
internal readonly record struct Rewrite(int CodePoint, int Change);

/// <summary>Edits of an <see cref="AlignedText"/> that keep its alignment the way Hugging Face tokenizers keeps it.</summary>
internal static class AlignedTextEdits
{
    private const long MostGrown = 1 << 19;
    private const double MostRatio = 1.5;

    /// <summary>Replaces the whole text by <paramref name="rewrites"/>, advancing through the old text in step.</summary>
    public static AlignedText Transform(this AlignedText text, List<Rewrite> rewrites)
    {
        var result = new AlignedText(text.Length + 8, text.Shift);
        int offset = 0;
        foreach (var (codePoint, change) in rewrites)
        {
            // A composition may cover more characters than the text has left; the last one then replaces the missing ones.
            var origin = change > 0 ? text.OriginBefore(offset) : text.Length == 0 ? text.OriginBefore(0)
                : text.Origins[Math.Min(offset, text.Length - 1)];
            result.AppendCodePoint(codePoint, origin);
            for (int consumed = change > 0 ? 0 : 1 - change; consumed > 0 && offset < text.Length; consumed--)
            {
                offset += text.Chars.CodePointLength(offset);
            }
        }

        return result;
    }

    /// <summary>Puts <paramref name="prefix"/> before the text, aligned with its first character. An empty text stays empty.</summary>
    public static AlignedText Prepend(this AlignedText text, string prefix)
    {
        if (text.Length == 0)
        {
            return text;
        }

        var result = new AlignedText(text.Length + prefix.Length, text.Shift);
        result.Append(prefix, text.Origins[0]);
        result.Append(text, 0, text.Length);
        return result;
    }

    /// <summary>Replaces every match by <paramref name="content"/>, aligned with the last character of the match.</summary>
    public static AlignedText Replace(this AlignedText text, IPattern pattern, string content)
    {
        var matches = new List<TextSpan>();
        pattern.FindMatches(text.Chars, matches);
        if (matches.Count == 0)
        {
            return text;
        }

        RefuseGrowth(text.Length, text.Length + (long)content.Length * matches.Count - matches.Sum(match => match.End - match.Start));
        var result = new AlignedText(text.Length, text.Shift);
        int last = 0;
        foreach (var match in matches)
        {
            result.Append(text, last, match.Start - last);
            result.Append(content, text.OriginBefore(match.End));
            last = match.End;
        }

        result.Append(text, last, text.Length - last);
        return result;
    }

    /// <summary>Replacements in sequence can double a text at every step, so the growth is bounded.</summary>
    private static void RefuseGrowth(int before, long after)
    {
        if (after > MostGrown && after > MostRatio * before)
        {
            throw new BadInputException(
                $"The tokenizer's normalizer makes {after} characters from {before} by one replacement, as if without end; correct its " +
                "Replace steps in tokenizer.json.");
        }
    }

    /// <summary>Keeps the code points that <paramref name="keep"/> accepts.</summary>
    public static AlignedText Filter(this AlignedText text, Func<int, bool> keep)
    {
        var chars = text.Chars;
        AlignedText? result = null;
        for (int i = 0; i < chars.Length;)
        {
            int length = chars.CodePointLength(i);
            if (!keep(chars.CodePointAt(i)))
            {
                result ??= text.Slice(0, i, text.Shift);
            }
            else
            {
                result?.Append(text, i, length);
            }

            i += length;
        }

        return result ?? text;
    }

    /// <summary>Replaces code points one by one by what <paramref name="map"/> gives.</summary>
    public static AlignedText Map(this AlignedText text, Func<int, int> map)
    {
        var chars = text.Chars;
        AlignedText? result = null;
        for (int i = 0; i < chars.Length;)
        {
            int length = chars.CodePointLength(i);
            int codePoint = chars.CodePointAt(i);
            int mapped = map(codePoint);
            if (mapped != codePoint)
            {
                result ??= text.Slice(0, i, text.Shift);
                result.AppendCodePoint(mapped, text.Origins[i]);
            }
            else
            {
                result?.Append(text, i, length);
            }

            i += length;
        }

        return result ?? text;
    }

    /// <summary>Drops white space at the chosen ends.</summary>
    public static AlignedText Strip(this AlignedText text, bool left, bool right)
    {
        var chars = text.Chars;
        int start = 0;
        int end = chars.Length;
        while (left && start < end && char.IsWhiteSpace(chars[start]))
        {
            start++;
        }

        while (right && end > start && char.IsWhiteSpace(chars[end - 1]))
        {
            end--;
        }

        return end - start == chars.Length ? text : text.Slice(start, end - start, text.Shift);
    }
}

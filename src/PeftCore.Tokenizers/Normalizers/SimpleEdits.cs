namespace PeftCore.Tokenizers;

/// <summary>The edits that normalizers are made of, besides Unicode's normal forms.</summary>
internal static class SimpleEdits
{
    public static AlignedText Lowercase(AlignedText text)
    {
        var chars = text.Chars;
        if (!chars.Contains('\u0130'))
        {
            return text.Map(CharacterKinds.ToLower);
        }

        // The dotted capital I is the only character that becomes two.
        var result = new AlignedText(text.Length + 1, text.Shift);
        for (int i = 0; i < chars.Length; i += chars.CodePointLength(i))
        {
            int codePoint = chars.CodePointAt(i);
            result.AppendCodePoint(CharacterKinds.ToLower(codePoint), text.Origins[i]);
            if (codePoint == 0x130)
            {
                result.Append('\u0307', text.Origins[i]);
            }
        }

        return result;
    }

    public static AlignedText ByteLevel(AlignedText text)
    {
        var result = new AlignedText(text.Length, text.Shift);
        ByteAlphabet.Append(result, text, 0, text.Length);
        return result;
    }

    /// <summary>The cleaning that neural translation models were trained with.</summary>
    public static AlignedText Nmt(AlignedText text) => text
        .Filter(c => c is not ((>= 1 and <= 8) or 0xB or (>= 0xE and <= 0x1F) or 0x7F or 0x8F or 0x9F))
        .Map(c => c is 9 or 0xA or 0xC or 0xD or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD
            ? ' '
            : c);

    /// <summary>Drops control characters and makes all white space plain.</summary>
    public static AlignedText CleanText(AlignedText text) => text
        .Filter(c => c is 9 or 10 or 13 || (c is not (0 or 0xFFFD) && !CharacterKinds.IsOther(c)))
        .Map(c => CharacterKinds.IsWhiteSpace(c) ? ' ' : c);

    /// <summary>Puts spaces around each Chinese character.</summary>
    public static AlignedText SpaceChinese(AlignedText text)
    {
        var chars = text.Chars;
        AlignedText? result = null;
        for (int i = 0; i < chars.Length;)
        {
            int length = chars.CodePointLength(i);
            if (IsChinese(chars.CodePointAt(i)))
            {
                result ??= text.Slice(0, i, text.Shift);
                result.Append(' ', text.Origins[i]);
                result.Append(text, i, length);
                result.Append(' ', text.Origins[i]);
            }
            else
            {
                result?.Append(text, i, length);
            }

            i += length;
        }

        return result ?? text;
    }

    // The blocks that BERT was trained with; Japanese and Korean letters are not among them.
    private static bool IsChinese(int c) => c >= 0x3400 && c is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF)
        or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}

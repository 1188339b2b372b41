using System.Buffers;
using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Reading UTF-16 by code points. The texts are well formed: <see cref="WellFormed"/> has made them so.</summary>
internal static class CodePoints
{
    private static readonly SearchValues<char> Surrogates = MakeSurrogates();

    public static int CodePointAt(this ReadOnlySpan<char> text, int index)
    {
        char c = text[index];
        return char.IsHighSurrogate(c) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1])
            ? char.ConvertToUtf32(c, text[index + 1])
            : c;
    }

    public static int CodePointLength(this ReadOnlySpan<char> text, int index) =>
        char.IsHighSurrogate(text[index]) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]) ? 2 : 1;

    /// <summary>How many code points a text has.</summary>
    public static int Count(ReadOnlySpan<char> text)
    {
        int count = text.Length;
        if (!HasSurrogates(text))
        {
            return count;
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (text.CodePointLength(i) == 2)
            {
                count--;
                i++;
            }
        }

        return count;
    }

    public static bool HasSurrogates(ReadOnlySpan<char> text) => text.ContainsAny(Surrogates);

    /// <summary>Bytes of a code point in UTF-8; a lone surrogate counts as the replacement character it will become.</summary>
    public static int Utf8Length(int codePoint) => codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;

    /// <summary>Writes a code point as UTF-8 and returns how many bytes that took.</summary>
    public static int WriteUtf8(int codePoint, Span<byte> bytes) =>
        (Rune.IsValid(codePoint) ? new Rune(codePoint) : Rune.ReplacementChar).EncodeToUtf8(bytes);

    /// <summary>The text with lone surrogates replaced by U+FFFD: no vocabulary can hold half a character.</summary>
    public static string WellFormed(string text)
    {
        int i = 0;
        while (true)
        {
            int step = text.AsSpan(i).IndexOfAny(Surrogates);
            if (step < 0)
            {
                return text;
            }

            i += step;
            if (text.AsSpan().CodePointLength(i) == 1)
            {
                return System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));
            }

            i += 2;
        }
    }

    private static SearchValues<char> MakeSurrogates()
    {
        char[] all = new char[0x800];
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = (char)(0xD800 + i);
        }

        return SearchValues.Create(all);
    }
}

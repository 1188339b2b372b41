namespace PeftCore.Tokenizers;

/// <summary>GPT-2's alphabet: each byte as one printable character, so that byte strings can be tokens of text. Printable bytes map to
/// themselves, the other 68 to the characters from U+0100 on.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] Chars = MakeChars();
    private static readonly short[] Bytes = MakeBytes();

    /// <summary>The character of a space.</summary>
    public const char Space = 'Ġ';

    public static char ToChar(byte value) => Chars[value];

    /// <summary>The byte of a character, or -1 if no byte maps to it.</summary>
    public static int ToByte(char c) => c < Bytes.Length ? Bytes[c] : -1;

    /// <summary>Appends a part of a text byte by byte.</summary>
    public static void Append(AlignedText target, AlignedText source, int start, int length)
    {
        var chars = source.Chars;
        Span<byte> utf8 = stackalloc byte[4];
        for (int i = start; i < start + length;)
        {
            char c = chars[i];
            if (c < 0x80)
            {
                target.Append(Chars[c], source.Origins[i++]);
                continue;
            }

            foreach (byte value in utf8[..CodePoints.WriteUtf8(chars.CodePointAt(i), utf8)])
            {
                target.Append(Chars[value], source.Origins[i]);
            }

            i += chars.CodePointLength(i);
        }
    }

    private static char[] MakeChars()
    {
        char[] chars = new char[256];
        int next = 0x100;
        for (int b = 0; b < 256; b++)
        {
            chars[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE ? (char)b : (char)next++;
        }

        return chars;
    }

    private static short[] MakeBytes()
    {
        short[] bytes = new short[0x144];
        Array.Fill<short>(bytes, -1);
        for (int b = 0; b < 256; b++)
        {
            bytes[Chars[b]] = (short)b;
        }

        return bytes;
    }
}

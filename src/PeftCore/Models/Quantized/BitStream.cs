namespace PeftCore.Models.Quantized;

/// <summary>Codes of 2, 3, 4 or 8 bits in a stream of 32-bit words, lowest bits first; a code of three bits may cross words.</summary>
internal static class BitStream
{
    private const int WordBits = 32;

    /// <summary>The words of a stream of codes.</summary>
    public static long Words(long codes, int bits) => (codes * bits + WordBits - 1) / WordBits;

    /// <summary>Code number <paramref name="index"/> of a stream whose words are <paramref name="stride"/> apart.</summary>
    public static int Code(ReadOnlySpan<uint> words, int start, int stride, int index, int bits)
    {
        int bit = index * bits, word = bit / WordBits, shift = bit % WordBits;
        uint code = words[start + word * stride] >> shift;
        if (shift + bits > WordBits)
        {
            code |= words[start + (word + 1) * stride] << (WordBits - shift);
        }
        return (int)(code & ((1u << bits) - 1));
    }
}

using System.Buffers.Binary;

namespace PeftCore.Tests.Kernels.Quantized;

/// <summary>ggml's block formats, one weight at a time: the place of its bits and the formula, each product rounded before the
/// sum.</summary>
internal static class BlockReference
{
    private static readonly int[] Table = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    public static float Weight(string format, ReadOnlySpan<byte> b, int i) => format switch
    {
        "Q4_0" => Half(b, 0) * (Nibble(b[2..], i, 16) - 8),
        "Q4_1" => Half(b, 0) * Nibble(b[4..], i, 16) + Half(b, 2),
        "Q5_0" => Half(b, 0) * ((Nibble(b[6..], i, 16) | Bit(b[2..], i) << 4) - 16),
        "Q5_1" => Half(b, 0) * (Nibble(b[8..], i, 16) | Bit(b[4..], i) << 4) + Half(b, 2),
        "Q8_0" => Half(b, 0) * (sbyte)b[2 + i],
        "IQ4_NL" => Half(b, 0) * Table[Nibble(b[2..], i, 16)],
        "Q2_K" => Q2(b, i),
        "Q3_K" => Q3(b, i),
        "Q4_K" => Half(b, 0) * Scale(b[4..], i / 32) * Nibble(b[(16 + i / 64 * 32)..], i % 64, 32) - Half(b, 2) * Min(b[4..], i / 32),
        "Q5_K" => Half(b, 0) * Scale(b[4..], i / 32)
            * (Nibble(b[(48 + i / 64 * 32)..], i % 64, 32) | ((b[16 + i % 32] >> (i / 32)) & 1) << 4) - Half(b, 2) * Min(b[4..], i / 32),
        "Q6_K" => Q6(b, i),
        "IQ4_XS" => Iq4Xs(b, i),
        _ => throw new ArgumentException(format),
    };

    private static float Half(ReadOnlySpan<byte> b, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(b[at..]);

    // Weight i of 2·half: the lower halves of the bytes come first.
    private static int Nibble(ReadOnlySpan<byte> b, int i, int half) => i < half ? b[i] & 15 : b[i - half] >> 4;

    private static int Bit(ReadOnlySpan<byte> b, int i) => (b[i / 8] >> (i % 8)) & 1;

    private static int Scale(ReadOnlySpan<byte> s, int g) => g < 4 ? s[g] & 63 : (s[g + 4] & 15) | (s[g - 4] >> 6 << 4);

    private static int Min(ReadOnlySpan<byte> s, int g) => g < 4 ? s[g + 4] & 63 : (s[g + 4] >> 4) | (s[g] >> 6 << 4);

    private static int TwoBits(ReadOnlySpan<byte> q, int i) => (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;

    private static float Q2(ReadOnlySpan<byte> b, int i)
    {
        float scale = Half(b, 80) * (b[i / 16] & 15), min = Half(b, 82) * (b[i / 16] >> 4);
        return scale * TwoBits(b[16..], i) - min;
    }

    private static float Q3(ReadOnlySpan<byte> b, int i)
    {
        int g = i / 16, low = g < 8 ? b[96 + g] & 15 : b[96 + g - 8] >> 4, high = (b[104 + g % 4] >> (g / 4 * 2)) & 3;
        int third = (b[i % 32] >> (i / 32)) & 1;
        float scale = Half(b, 108) * ((low | high << 4) - 32);
        return scale * (TwoBits(b[32..], i) - (third == 1 ? 0 : 4));
    }

    private static float Q6(ReadOnlySpan<byte> b, int i)
    {
        int half = i / 128, row = i % 128 / 32, l = i % 32;
        int low = b[half * 64 + row % 2 * 32 + l], high = b[128 + half * 32 + l] >> (2 * row);
        int q = ((row < 2 ? low & 15 : low >> 4) | (high & 3) << 4) - 32;
        return Half(b, 208) * (sbyte)b[192 + i / 16] * q;
    }

    private static float Iq4Xs(ReadOnlySpan<byte> b, int i)
    {
        int g = i / 32, low = (b[4 + g / 2] >> (g % 2 * 4)) & 15, high = (BinaryPrimitives.ReadUInt16LittleEndian(b[2..]) >> (2 * g)) & 3;
        float scale = Half(b, 0) * ((low | high << 4) - 32);
        return scale * Table[Nibble(b[(8 + 16 * g)..], i % 32, 16)];
    }
}

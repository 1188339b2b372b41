using System.Text;

namespace PeftCore.Fuzz.Inputs;

/// <summary>Damage below any syntax: flipped bits, and bytes that are cut, inserted, overwritten or moved.</summary>
internal static class Damage
{
    private static readonly byte[][] Pieces =
    [
        .. new[]
        {
            "\"", "\\", "{", "}", "[", "]", ",", ":", "\n", "\r", "\t", "\0", " ", "-", "0", "1", "9", ".", "e", "null", "true", "1e999",
            "NaN", "\\ud800", "\\u0000", "\uFEFF", "é", "😀",
            "[[[[[[[[[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":", "99999999999999999999", "'", "%", "//", "/*",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xFE, 0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80],
    ];

    public static byte[] Apply(FuzzRandom random, byte[] bytes)
    {
        for (int i = random.Between(1, 3); i > 0; i--)
        {
            bytes = Once(random, bytes);
        }
        return bytes;
    }

    private static byte[] Once(FuzzRandom random, byte[] bytes)
    {
        int at = random.Below(bytes.Length + 1);
        byte[] piece = random.Pick(Pieces);
        return random.Below(8) switch
        {
            0 => bytes[..at],
            1 => [.. bytes[..at], .. piece, .. bytes[at..]],
            2 => [.. bytes[..at], .. piece, .. bytes[Math.Min(at + piece.Length, bytes.Length)..]],
            3 => [.. bytes[..at], .. bytes[Math.Min(at + random.Between(1, 12), bytes.Length)..]],
            4 => Repeat(random, bytes, at),
            _ => Flip(random, bytes),
        };
    }

    /// <summary>Copies a range of bytes to another position.</summary>
    private static byte[] Repeat(FuzzRandom random, byte[] bytes, int at)
    {
        byte[] stretch = bytes[at..Math.Min(at + random.Between(1, 40), bytes.Length)];
        int to = random.Below(bytes.Length + 1);
        return [.. bytes[..to], .. stretch, .. bytes[to..]];
    }

    private static byte[] Flip(FuzzRandom random, byte[] bytes)
    {
        byte[] flipped = [.. bytes];
        for (int i = random.Between(1, 4); i > 0 && flipped.Length > 0; i--)
        {
            flipped[random.Below(flipped.Length)] ^= (byte)(1 << random.Below(8));
        }
        return flipped;
    }
}

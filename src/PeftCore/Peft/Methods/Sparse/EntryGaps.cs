namespace PeftCore.Peft.Sparse;

/// <summary>Encodes sorted indices as the gaps between them in LEB128, seven bits a byte: at a density of 1 % most gaps take one byte; an
/// index takes four.</summary>
internal static class EntryGaps
{
    public static byte[] Encode(ReadOnlySpan<int> entries)
    {
        var bytes = new List<byte>(entries.Length + entries.Length / 4);
        int before = -1;
        foreach (int entry in entries)
        {
            uint gap = (uint)(entry - before - 1);
            while (gap >= 0x80)
            {
                bytes.Add((byte)(gap | 0x80));
                gap >>= 7;
            }
            bytes.Add((byte)gap);
            before = entry;
        }
        return [.. bytes];
    }

    /// <returns>The indices; null if the bytes do not encode <paramref name="count"/> indices below <paramref name="size"/>.</returns>
    public static int[]? Decode(ReadOnlySpan<byte> bytes, long count, long size)
    {
        var entries = new List<int>();
        long at = -1, gap = 0;
        int shift = 0;
        foreach (byte part in bytes)
        {
            if (shift > 28)
            {
                return null;
            }
            gap |= (long)(part & 0x7F) << shift;
            shift += 7;
            if (part < 0x80)
            {
                at += gap + 1;
                if (at >= size || at > int.MaxValue)
                {
                    return null;
                }
                entries.Add((int)at);
                (gap, shift) = (0, 0);
            }
        }
        return shift == 0 && entries.Count == count ? [.. entries] : null;
    }
}

using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Positions and attention ranges, computed on the host. A range is the keys [first, end) that a token attends to.</summary>
internal static class AttentionRanges
{
    /// <summary>(batch, length): 0, 1, 2 … in each row.</summary>
    public static int[] Positions(int batch, int length)
    {
        int[] positions = new int[batch * length];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = i % length;
        }
        return positions;
    }

    /// <summary>The keys from the first token of a row to its last, or to the token itself. Padding between them is left out by a
    /// bias.</summary>
    /// <exception cref="ShapeException">The mask has another size than (batch, length).</exception>
    public static int[] Of(ReadOnlySpan<int> mask, int batch, int length, bool causal)
    {
        if (!mask.IsEmpty && mask.Length != batch * length)
        {
            throw new ShapeException("mask", $"{mask.Length} values, expected {batch} × {length}, one for each token");
        }
        int[] ranges = new int[2 * batch * length];
        for (int b = 0; b < batch; b++)
        {
            var row = mask.IsEmpty ? mask : mask.Slice(b * length, length);
            int first = Math.Max(0, row.IndexOf(1));
            int end = mask.IsEmpty ? length : row.LastIndexOf(1) + 1;
            for (int t = 0; t < length; t++)
            {
                ranges[2 * (b * length + t)] = first;
                ranges[2 * (b * length + t) + 1] = causal ? Math.Max(first, Math.Min(t + 1, end)) : end;
            }
        }
        return ranges;
    }

    /// <summary>The mask, if some row has padding between its tokens, which no range can leave out; null otherwise.</summary>
    public static int[]? HolesOf(ReadOnlySpan<int> mask, int batch, int length)
    {
        for (int b = 0; b < batch && !mask.IsEmpty; b++)
        {
            var row = mask.Slice(b * length, length);
            int first = row.IndexOf(1);
            if (first >= 0 && row[first..(row.LastIndexOf(1) + 1)].Contains(0))
            {
                return mask.ToArray();
            }
        }
        return null;
    }

    /// <summary>Ranges with at most <paramref name="window"/> keys each, or half as many on each side of the token.</summary>
    /// <param name="window">Maximum number of keys.</param>
    /// <param name="ranges">(batch, length, 2): the ranges without a window; null for plain causal attention.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="length">Tokens of a row.</param>
    /// <param name="offsetOf">Keys before that of the first token, by row.</param>
    /// <param name="causal">Whether a token attends only to itself and tokens before it.</param>
    public static int[] Within(int window, int[]? ranges, int batch, int length, Func<int, int> offsetOf, bool causal)
    {
        int[] within = new int[2 * batch * length];
        for (int i = 0; i < within.Length; i += 2)
        {
            int offset = offsetOf(i / 2 / length);
            if (!causal)
            {
                int at = offset + i / 2 % length;
                (within[i], within[i + 1]) = (Math.Max(ranges![i], at - window / 2), Math.Min(ranges[i + 1], at + window / 2 + 1));
                continue;
            }
            // A token's own key follows the earlier keys; the range of a padding token ends before its own.
            int end = offset + i / 2 % length + 1;
            var (first, last) = ranges is null ? (0, end) : (ranges[i], ranges[i + 1]);
            (within[i], within[i + 1]) = (Math.Min(Math.Max(first, end - window), last), last);
        }
        return within;
    }

    /// <summary>Checks what attention and tables of positions read by address. The position of OPT's padding is −1, in a table that begins
    /// at −2; other models refuse it as they read it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A position is less than −1, or a range does not lie in its row.</exception>
    public static void Check(ReadOnlySpan<int> positions, ReadOnlySpan<int> ranges, int length)
    {
        foreach (int position in positions)
        {
            if (position < -1)
            {
                throw new ArgumentOutOfRangeException(nameof(positions), position, "a position cannot be less than −1, that of padding");
            }
        }
        for (int i = 0; i < ranges.Length; i += 2)
        {
            if (ranges[i] < 0 || ranges[i] > ranges[i + 1] || ranges[i + 1] > length)
            {
                throw new ArgumentOutOfRangeException(nameof(ranges), $"the range [{ranges[i]}, {ranges[i + 1]}) does not lie in a row of "
                    + $"{length} tokens");
            }
        }
    }
}

namespace PeftCore.Models;

public sealed partial class ModelInputs
{
    /// <summary>The inputs with virtual tokens before each row, which the model reads as embeddings.</summary>
    /// <param name="counts">Virtual tokens of each row. A row with fewer than the longest is padded on the left; no token attends to the
    /// padding.</param>
    internal ModelInputs WithPromptTokens(ReadOnlySpan<int> counts)
    {
        int places = Largest(counts), length = places + Length;
        int[] positions = new int[Batch * length];
        int[]? ranges = IsPlain(counts, places) ? null : new int[2 * positions.Length];
        for (int b = 0; b < Batch; b++)
        {
            int unused = places - counts[b];
            for (int t = 0; t < length; t++)
            {
                int at = b * length + t;
                positions[at] = t >= places ? counts[b] + _positions[b * Length + t - places] : Math.Max(0, t - unused);
                if (ranges is not null)
                {
                    (ranges[2 * at], ranges[2 * at + 1]) = t >= places ? Seen(b, t - places, counts[b], places)
                        : IsCausal ? (Math.Min(unused, t), t + 1) : Seen(b, 0, counts[b], places);
                }
            }
        }
        return new ModelInputs(this, positions, ranges);
    }

    /// <summary>The inputs with learned keys and values before each row.</summary>
    /// <param name="prefix">The keys and values.</param>
    /// <param name="counts">The number of these keys that each row attends to: the last ones.</param>
    internal ModelInputs WithPrefixKv(IPrefix prefix, ReadOnlySpan<int> counts)
    {
        int places = Largest(counts);
        int[] positions = new int[_positions.Length];
        int[]? ranges = IsPlain(counts, places) ? null : new int[2 * positions.Length];
        for (int at = 0; at < positions.Length; at++)
        {
            int b = at / Length;
            positions[at] = counts[b] + _positions[at];
            if (ranges is not null)
            {
                (ranges[2 * at], ranges[2 * at + 1]) = Seen(b, at % Length, counts[b], places);
            }
        }
        return new ModelInputs(this, positions, ranges) { Prefix = prefix, KeyOffset = KeyOffset + places };
    }

    private static int Largest(ReadOnlySpan<int> counts)
    {
        int largest = 0;
        foreach (int count in counts)
        {
            largest = Math.Max(largest, count);
        }
        return largest;
    }

    /// <summary>Whether plain causal attention is still correct, without ranges.</summary>
    private bool IsPlain(ReadOnlySpan<int> counts, int places) => _ranges is null && counts.IndexOfAnyExcept(places) < 0;

    /// <summary>The keys that a token attends to, if <paramref name="places"/> keys come before the first token and its row attends to the
    /// last <paramref name="count"/> of them.</summary>
    private (int First, int End) Seen(int row, int token, int count, int places)
    {
        int at = row * Length + token;
        var (first, end) = _ranges is null ? (0, token + 1) : (_ranges[2 * at], _ranges[2 * at + 1]);
        if (count == 0)
        {
            return (places + first, places + end);
        }
        return first == 0 ? (places - count, places + end) : throw new BadInputException(
            "virtual tokens stand before the first token of a row, and every token of the row sees them: with them, rows can neither be " +
            "packed nor padded on the left");
    }
}

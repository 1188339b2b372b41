namespace PeftCore.Peft.Sparse;

/// <summary>The number of entries that are chosen.</summary>
/// <param name="Density">Fraction of the entries.</param>
/// <param name="Threshold">Every entry with at least this score instead; null to choose by <paramref name="Density"/>.</param>
/// <param name="Scope">Whether the entries of all tensors are ranked together or those of each tensor alone.</param>
internal sealed record EntryBudget(double Density = 0.01, double? Threshold = null, SelectionScope Scope = SelectionScope.Global);

/// <summary>The entries that are ranked together.</summary>
public enum SelectionScope
{
    /// <summary>All entries of all tensors.</summary>
    Global,

    /// <summary>The entries of one tensor: the same fraction of each tensor is chosen.</summary>
    Tensor,
}

/// <summary>Chooses the k entries with the highest scores by radix selection: a histogram of the upper 16 bits of all scores, then one of
/// the lower 16 bits within the bucket of the k-th score. It neither sorts nor copies the scores.</summary>
internal static class TopKSelection
{
    private const int Half = 1 << 16;

    public static SparseMask Choose(IReadOnlyList<KeyValuePair<string, float[]>> scores, EntryBudget budget)
    {
        if (budget.Threshold is { } threshold)
        {
            var mask = new SparseMask(scores.Select(pair => KeyValuePair.Create(pair.Key, Above(pair.Value, threshold))));
            return mask.Count > 0 ? mask
                : throw new BadInputException(
                $"no score reaches the threshold {threshold}; the highest is {scores.Max(pair => pair.Value.Max())}");
        }
        if (budget.Density is not (> 0 and <= 1))
        {
            throw new BadInputException($"density is {budget.Density}; it must be above 0 and at most 1");
        }
        if (budget.Scope == SelectionScope.Tensor)
        {
            return new SparseMask(scores.Select(pair => KeyValuePair.Create(pair.Key, Cut([pair.Value], CountOf(pair.Value.Length, budget))
                .Take(pair.Value))));
        }
        var cut = Cut([.. scores.Select(pair => pair.Value)], CountOf(scores.Sum(pair => (long)pair.Value.Length), budget));
        return new SparseMask(scores.Select(pair => KeyValuePair.Create(pair.Key, cut.Take(pair.Value))).ToList());
    }

    /// <summary>k = density·entries, at least 1.</summary>
    public static long CountOf(long entries, EntryBudget budget) => Math.Clamp((long)Math.Round(budget.Density * entries), 1, entries);

    private static int[] Above(float[] scores, double threshold) =>
        [.. Enumerable.Range(0, scores.Length).Where(i => scores[i] >= threshold)];

    private static Cutoff Cut(IReadOnlyList<float[]> scores, long count)
    {
        var (upper, above) = Bucket(scores, count, key => (int)(key >> 16));
        var (lower, aboveInside) = Bucket(scores, count - above, key => key >> 16 == (uint)upper ? (int)(key & (Half - 1)) : -1);
        return new Cutoff(((uint)upper << 16) | (uint)lower, count - above - aboveInside);
    }

    /// <summary>The bucket that contains the score of rank <paramref name="rank"/>, and the number of scores in higher buckets.</summary>
    private static (int Bucket, long Above) Bucket(IReadOnlyList<float[]> scores, long rank, Func<uint, int> bucketOf)
    {
        long[] counts = new long[Half];
        foreach (float[] tensor in scores)
        {
            foreach (float score in tensor)
            {
                if (bucketOf(Key(score)) is >= 0 and var bucket)
                {
                    counts[bucket]++;
                }
            }
        }
        long above = 0;
        int at = Half - 1;
        while (at > 0 && above + counts[at] < rank)
        {
            above += counts[at--];
        }
        return (at, above);
    }

    /// <summary>Maps a score to an unsigned integer of the same order; NaN is the lowest.</summary>
    private static uint Key(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score);
        return float.IsNaN(score) ? 0 : (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
    }

    /// <summary>Accepts every score above a key, and the first <paramref name="ties"/> of those equal to it.</summary>
    private sealed class Cutoff(uint key, long ties)
    {
        private long _ties = ties;

        public int[] Take(float[] scores)
        {
            var taken = new List<int>();
            for (int i = 0; i < scores.Length; i++)
            {
                uint own = Key(scores[i]);
                if (own > key || (own == key && _ties-- > 0))
                {
                    taken.Add(i);
                }
            }
            return [.. taken];
        }
    }
}

namespace PeftCore.Data;

/// <summary>A 64-bit FNV-1a hash over samples and options: cheap, platform-independent, and enough to detect changed data.</summary>
internal static class DataFingerprint
{
    private const ulong Basis = 14695981039346656037;
    private const ulong Prime = 1099511628211;

    public static ulong Of(IEnumerable<IReadOnlyList<Example>> rows, LoaderOptions options)
    {
        ulong hash = Basis;
        void Add(long value) => hash = (hash ^ (ulong)value) * Prime;
        Add(options.BatchSize);
        Add((long)options.Seed);
        Add(options.Shuffle ? 1 : 0);
        foreach (var row in rows)
        {
            Add(row.Count);
            foreach (var sample in row)
            {
                Add(sample.Ids.Length);
                Add(sample.ClassLabel);
                if (sample.TaskId is int task)
                {
                    // Outside the range of class labels, so that data without tasks keep the fingerprint of earlier versions.
                    Add(-2L - task);
                }

                for (int i = 0; i < sample.Ids.Length; i++)
                {
                    Add(((long)sample.Ids[i] << 32) | (uint)sample.Labels[i]);
                }
                AddTask(sample, Add);
            }
        }
        return hash;
    }

    // Only what a sample has, so that data for causal models keep their fingerprint.
    private static void AddTask(Example sample, Action<long> add)
    {
        if (sample.Span is (int start, int end))
        {
            add(((long)start << 32) | (uint)end);
        }
        if (sample.Masking is { } masking)
        {
            add(masking.Key);
        }
        if (sample.Score is double score)
        {
            add(BitConverter.DoubleToInt64Bits(score));
        }
        foreach (float flag in sample.ClassFlags ?? [])
        {
            add((long)flag);
        }
        foreach (var source in new[] { sample.Pixels, sample.Sound, sample.EncoderStates, sample.Classes })
        {
            if (source is not null)
            {
                add(source.Fingerprint);
            }
        }
        foreach (int[]? ids in new[] { sample.TypeIds, sample.TargetIds, sample.Positive?.Ids, sample.Negative?.Ids, sample.Boxes })
        {
            foreach (int id in ids ?? [])
            {
                add(id);
            }
        }
    }
}

namespace PeftCore.Models;

/// <summary>T5's buckets of relative positions (Raffel et al. 2020, section 2.1): small distances have a bucket each, larger ones share
/// buckets whose width grows with the logarithm of the distance, up to a largest distance.</summary>
/// <param name="count">Number of buckets; a bidirectional stack has half of them for keys after the query.</param>
/// <param name="maxDistance">The distance from which on all pairs share the last bucket.</param>
/// <param name="bidirectional">Whether keys after the query have buckets of their own; otherwise they share that of distance 0.</param>
internal sealed class RelativeBuckets(int count, int maxDistance, bool bidirectional)
{
    // One reference, so that a thread never reads a mixture of two.
    private Table? _last;

    /// <summary>The bucket of key position − query position.</summary>
    public int Of(int relative)
    {
        int buckets = bidirectional ? count / 2 : count;
        int first = bidirectional && relative > 0 ? buckets : 0;
        int distance = bidirectional ? Math.Abs(relative) : -Math.Min(relative, 0);
        int exact = buckets / 2;
        if (distance < exact)
        {
            return first + distance;
        }
        // In single precision as the reference, which decides on which side of a border a distance lies.
        float position = MathF.Log((float)distance / exact) / (float)Math.Log((double)maxDistance / exact) * (buckets - exact);
        return first + Math.Min(exact + (int)position, buckets - 1);
    }

    /// <summary>The buckets of all pairs.</summary>
    /// <param name="queries">Queries.</param>
    /// <param name="keys">Keys, counted from position 0.</param>
    /// <param name="firstQuery">The position of the first query.</param>
    /// <returns>(queries, keys)</returns>
    public int[] Of(int queries, int keys, int firstQuery)
    {
        var table = _last;
        if (table is null || (table.Queries, table.Keys, table.First) != (queries, keys, firstQuery))
        {
            _last = table = new Table(queries, keys, firstQuery, Compute(queries, keys, firstQuery));
        }
        return table.Buckets;
    }

    private int[] Compute(int queries, int keys, int firstQuery)
    {
        int lowest = -(firstQuery + queries - 1);
        int[] byDistance = [.. Enumerable.Range(lowest, queries + keys - 1 + firstQuery).Select(Of)];
        int[] buckets = new int[queries * keys];
        for (int i = 0; i < queries; i++)
        {
            byDistance.AsSpan(-(firstQuery + i) - lowest, keys).CopyTo(buckets.AsSpan(i * keys));
        }
        return buckets;
    }

    private sealed record Table(int Queries, int Keys, int First, int[] Buckets);
}

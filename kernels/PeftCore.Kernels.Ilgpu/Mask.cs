using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>Which keys a query sees: those of its range, or, without ranges, all up to its own with the queries at the end of the keys.</summary>
internal static class Mask
{
    /// <summary>First key query i of batch row b sees.</summary>
    public static int From(ArrayView<int> ranges, int hasRanges, int queries, int keys, int b, int i)
    {
        int from = 0;
        if (i >= queries)
        {
            from = keys;
        }
        else if (hasRanges != 0)
        {
            from = ranges[2 * (((long)b * queries) + i)];
            from = from < 0 ? 0 : from;
        }

        return from;
    }

    /// <summary>One past the last key it sees.</summary>
    public static int To(ArrayView<int> ranges, int hasRanges, int queries, int keys, int b, int i)
    {
        int to = i + 1 + keys - queries;
        if (i >= queries)
        {
            to = 0;
        }
        else if (hasRanges != 0)
        {
            to = ranges[(2 * (((long)b * queries) + i)) + 1];
        }

        return to < keys ? to : keys;
    }

    /// <summary>First key any of <paramref name="count"/> queries sees.</summary>
    public static int First(ArrayView<int> ranges, int hasRanges, int queries, int keys, int b, int query, int count)
    {
        int first = hasRanges != 0 ? keys : 0;
        for (int r = 0; hasRanges != 0 && r < count; r++)
        {
            int from = From(ranges, hasRanges, queries, keys, b, query + r);
            first = from < first ? from : first;
        }

        return first;
    }

    /// <summary>One past the last key any of them sees.</summary>
    public static int Last(ArrayView<int> ranges, int hasRanges, int queries, int keys, int b, int query, int count)
    {
        int last = hasRanges != 0 ? 0 : query + count + keys - queries;
        last = last < keys ? last : keys;
        for (int r = 0; hasRanges != 0 && r < count; r++)
        {
            int to = To(ranges, hasRanges, queries, keys, b, query + r);
            last = to > last ? to : last;
        }

        return last;
    }
}

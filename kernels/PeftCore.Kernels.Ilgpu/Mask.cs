using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>The keys that a query attends to: those of its range; without ranges (causal), all up to its own position, where the queries
/// are the last of the keys.</summary>
internal static class Mask
{
    /// <summary>The first key that query i of batch row b attends to.</summary>
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

    /// <summary>One past the last key that query i of batch row b attends to.</summary>
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
}

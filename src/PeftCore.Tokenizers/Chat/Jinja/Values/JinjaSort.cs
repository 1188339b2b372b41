namespace PeftCore.Tokenizers;

/// <summary>A stable sort that compares by "less than" alone, as Python's does.</summary>
internal static class JinjaSort
{
    public static List<T> Sort<T>(List<T> items, Func<T, T, bool> isLess, bool reverse)
    {
        var sorted = new List<T>(items);
        if (reverse)
        {
            // Equal items keep their order.
            sorted.Reverse();
        }

        Merge(sorted, new T[sorted.Count], 0, sorted.Count, isLess);
        if (reverse)
        {
            sorted.Reverse();
        }

        return sorted;
    }

    private static void Merge<T>(List<T> items, T[] buffer, int start, int end, Func<T, T, bool> isLess)
    {
        if (end - start < 2)
        {
            return;
        }

        int middle = (start + end) / 2;
        Merge(items, buffer, start, middle, isLess);
        Merge(items, buffer, middle, end, isLess);
        var (left, right) = (start, middle);
        for (int i = start; i < end; i++)
        {
            buffer[i] = left < middle && (right >= end || !isLess(items[right], items[left])) ? items[left++] : items[right++];
        }

        for (int i = start; i < end; i++)
        {
            items[i] = buffer[i];
        }
    }
}

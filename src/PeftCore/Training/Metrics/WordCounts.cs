namespace PeftCore.Training.Metrics;

/// <summary>Counts words and runs of words (n-grams) of a text.</summary>
internal static class WordCounts
{
    /// <summary>How often each run of n words occurs.</summary>
    public static Dictionary<string, int> Of(ReadOnlySpan<string> words, int n = 1)
    {
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i + n <= words.Length; i++)
        {
            // No word has white space, so a space separates them.
            string run = string.Join(' ', words.Slice(i, n));
            counts[run] = counts.GetValueOrDefault(run) + 1;
        }
        return counts;
    }

    /// <summary>Number of runs that two texts have in common, each as often as in the text with fewer of it.</summary>
    public static int Common(Dictionary<string, int> first, Dictionary<string, int> second) =>
        first.Sum(run => Math.Min(run.Value, second.GetValueOrDefault(run.Key)));
}

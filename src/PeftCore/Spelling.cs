namespace PeftCore;

/// <summary>Suggests corrections of a misspelt name.</summary>
internal static class Spelling
{
    /// <summary>"; did you mean a, b?" for the nearest known names, or nothing if none is near.</summary>
    public static string DidYouMean(string name, IEnumerable<string> known)
    {
        var near = known.Select(candidate => (candidate, distance: Distance(name, candidate)))
            .Where(pair => pair.distance <= Math.Max(1, name.Length / 3)
                || (name.Length > 2 && pair.candidate.Contains(name, StringComparison.Ordinal)))
            .OrderBy(pair => pair.distance).Take(3).Select(pair => pair.candidate).ToList();
        return near.Count == 0 ? "" : $"; did you mean {string.Join(" or ", near)}?";
    }

    /// <summary>Levenshtein's edit distance.</summary>
    public static int Distance(string a, string b)
    {
        int[] row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}

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

    /// <summary>Optimal string alignment distance: insertions, deletions, replacements, and swaps of two neighbours, so that "trian" is
    /// one edit from "train".</summary>
    public static int Distance(string a, string b)
    {
        int[] twoAbove = new int[b.Length + 1], above = Enumerable.Range(0, b.Length + 1).ToArray(), row = new int[b.Length + 1];
        for (int i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                row[j] = Math.Min(Math.Min(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    row[j] = Math.Min(row[j], twoAbove[j - 2] + 1);
                }
            }
            (twoAbove, above, row) = (above, row, twoAbove);
        }
        return above[b.Length];
    }
}

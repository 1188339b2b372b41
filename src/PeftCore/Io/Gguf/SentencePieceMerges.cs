namespace PeftCore.Io.Gguf;

/// <summary>The merges of SentencePiece's BPE, which its files do not list: every division of a piece into two pieces is a merge, and of
/// two merges the one with the higher score comes first, as in transformers' conversion of slow tokenizers.</summary>
internal static class SentencePieceMerges
{
    /// <summary>The merges in their order.</summary>
    /// <param name="pieces">The pieces by id.</param>
    /// <param name="scores">Their scores.</param>
    /// <param name="isUsed">Whether an id is used.</param>
    public static IEnumerable<(string Left, string Right)> Of(string[] pieces, double[] scores, Func<int, bool> isUsed)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < pieces.Length; id++)
        {
            if (isUsed(id))
            {
                ids.TryAdd(pieces[id], id);
            }
        }
        var lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var merges = new List<(int Left, int Right, double Score, int LeftLength, int RightLength)>();
        foreach (var (piece, id) in ids)
        {
            var own = new List<(int Left, int Right, double Score, int LeftLength, int RightLength)>();
            for (int at = 1; at < piece.Length; at++)
            {
                if (!char.IsLowSurrogate(piece[at]) && lookup.TryGetValue(piece.AsSpan(0, at), out int left)
                    && lookup.TryGetValue(piece.AsSpan(at), out int right))
                {
                    own.Add((left, right, scores[id], LengthOf(piece.AsSpan(0, at)), LengthOf(piece.AsSpan(at))));
                }
            }
            merges.AddRange(own.OrderBy(merge => merge.Left).ThenBy(merge => merge.Right));
        }
        return merges.OrderByDescending(merge => merge.Score).ThenByDescending(merge => merge.LeftLength)
            .ThenByDescending(merge => merge.RightLength).Select(merge => (pieces[merge.Left], pieces[merge.Right]));
    }

    /// <summary>Unicode code points of a text.</summary>
    private static int LengthOf(ReadOnlySpan<char> text)
    {
        int length = 0;
        foreach (var _ in text.EnumerateRunes())
        {
            length++;
        }
        return length;
    }
}

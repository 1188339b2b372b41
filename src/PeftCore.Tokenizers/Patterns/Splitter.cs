namespace PeftCore.Tokenizers;

/// <summary>Cuts pieces where a pattern matches.</summary>
internal sealed class Splitter(IPattern pattern, SplitBehavior behavior, bool invert = false)
{
    public List<Piece> Split(List<Piece> pieces)
    {
        var result = new List<Piece>(pieces.Count * 2);
        var matches = new List<TextSpan>();
        foreach (var piece in pieces)
        {
            if (piece.IsToken)
            {
                result.Add(piece);
            }
            else
            {
                matches.Clear();
                Split(piece, matches, result);
            }
        }

        return result;
    }

    private void Split(Piece piece, List<TextSpan> matches, List<Piece> result)
    {
        pattern.FindMatches(piece.Chars, matches);
        if (behavior == SplitBehavior.Isolated)
        {
            int last = 0;
            foreach (var match in matches)
            {
                Add(piece, last, match.Start, result);
                Add(piece, match.Start, match.End, result);
                last = match.End;
            }

            Add(piece, last, piece.Length, result);
            return;
        }

        foreach (var (start, end) in Join(Segments(matches, piece.Length)))
        {
            Add(piece, start, end, result);
        }
    }

    private static void Add(Piece piece, int start, int end, List<Piece> result)
    {
        if (end > start)
        {
            result.Add(piece.Part(start, end));
        }
    }

    /// <summary>The matches and the text between them, covering the whole piece.</summary>
    private IEnumerable<(TextSpan Span, bool IsMatch)> Segments(List<TextSpan> matches, int length)
    {
        int last = 0;
        foreach (var match in matches)
        {
            if (match.Start > last)
            {
                yield return (new TextSpan(last, match.Start), invert);
            }

            yield return (match, !invert);
            last = match.End;
        }

        if (last < length)
        {
            yield return (new TextSpan(last, length), invert);
        }
    }

    private IEnumerable<TextSpan> Join(IEnumerable<(TextSpan Span, bool IsMatch)> segments)
    {
        if (behavior == SplitBehavior.Removed)
        {
            return segments.Where(s => !s.IsMatch).Select(s => s.Span);
        }

        var result = new List<TextSpan>();
        bool forward = behavior != SplitBehavior.MergedWithNext;
        bool previous = false;
        foreach (var (span, isMatch) in forward ? segments : segments.Reverse())
        {
            // A run of one kind grows for Contiguous; for the others only a match that follows a non-match joins it.
            bool joins = behavior == SplitBehavior.Contiguous ? isMatch == previous : isMatch && !previous;
            if (joins && result.Count > 0)
            {
                result[^1] = forward ? result[^1] with { End = span.End } : result[^1] with { Start = span.Start };
            }
            else
            {
                result.Add(span);
            }

            previous = isMatch;
        }

        if (!forward)
        {
            result.Reverse();
        }

        return result;
    }
}

namespace PeftCore.Tokenizers;

/// <summary>Finds a fixed, non-empty string.</summary>
internal sealed class LiteralPattern(string literal) : IPattern
{
    public void FindMatches(ReadOnlySpan<char> text, List<TextSpan> matches)
    {
        int start = 0;
        while (true)
        {
            int step = text[start..].IndexOf(literal, StringComparison.Ordinal);
            if (step < 0)
            {
                return;
            }

            start += step;
            matches.Add(new TextSpan(start, start + literal.Length));
            start += literal.Length;
        }
    }
}

namespace PeftCore.Tokenizers;

/// <summary>Finds single code points that a predicate accepts.</summary>
internal sealed class CodePointPattern(Func<int, bool> accept) : IPattern
{
    public void FindMatches(ReadOnlySpan<char> text, List<TextSpan> matches)
    {
        for (int i = 0; i < text.Length;)
        {
            int length = text.CodePointLength(i);
            if (accept(text.CodePointAt(i)))
            {
                matches.Add(new TextSpan(i, i + length));
            }

            i += length;
        }
    }
}

namespace PeftCore.Tokenizers;

/// <summary>Finds runs of word characters and runs of what is neither word nor white space: \w+|[^\w\s]+ as Rust's regex crate
/// understands it.</summary>
internal sealed class WordPattern : IPattern
{
    public void FindMatches(ReadOnlySpan<char> text, List<TextSpan> matches)
    {
        int start = 0;
        var kind = Kind.Space;
        for (int i = 0; i < text.Length; i += text.CodePointLength(i))
        {
            int codePoint = text.CodePointAt(i);
            var next = CharacterKinds.IsWord(codePoint) ? Kind.Word : CharacterKinds.IsWhiteSpace(codePoint) ? Kind.Space : Kind.Other;
            if (next != kind)
            {
                Add(kind, start, i, matches);
                start = i;
                kind = next;
            }
        }

        Add(kind, start, text.Length, matches);
    }

    private enum Kind
    {
        Space,
        Word,
        Other,
    }

    private static void Add(Kind kind, int start, int end, List<TextSpan> matches)
    {
        if (kind != Kind.Space && end > start)
        {
            matches.Add(new TextSpan(start, end));
        }
    }
}

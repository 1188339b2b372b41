namespace PeftCore.Tokenizers;

/// <summary>Where a Metaspace step puts its mark in front of a text that does not begin with one.</summary>
internal enum PrependScheme
{
    /// <summary>Before the beginning of the text.</summary>
    First,

    /// <summary>Nowhere.</summary>
    Never,

    /// <summary>Before the text and after every added token in it.</summary>
    Always,
}

/// <summary>SentencePiece's step: spaces become a visible mark (U+2581), and each mark begins a word.</summary>
internal sealed class MetaspacePreTokenizer(string mark, PrependScheme scheme, bool split) : IPreTokenizer
{
    private static readonly LiteralPattern Spaces = new(" ");
    private readonly Splitter _splitter = new(new LiteralPattern(mark), SplitBehavior.MergedWithNext);

    public List<Piece> Apply(List<Piece> pieces)
    {
        pieces = [.. pieces.Select(Mark)];
        return split ? _splitter.Split(pieces) : pieces;
    }

    private Piece Mark(Piece piece)
    {
        if (piece.IsToken)
        {
            return piece;
        }

        var text = piece.Text.Slice(piece.Start, piece.Length, piece.Shift).Replace(Spaces, mark);
        if (!text.Chars.StartsWith(mark) && (scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.Shift == 0)))
        {
            text = text.Prepend(mark);
        }

        return new Piece(text, 0, text.Length, piece.Shift);
    }
}

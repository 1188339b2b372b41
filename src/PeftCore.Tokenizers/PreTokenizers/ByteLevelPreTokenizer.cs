namespace PeftCore.Tokenizers;

/// <summary>GPT-2's step: words with the space before them, then every byte as one character.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : IPreTokenizer
{
    private const string Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private static readonly Splitter WordSplitter = new(new RegexPattern(Words), SplitBehavior.Isolated);

    public List<Piece> Apply(List<Piece> pieces)
    {
        if (addPrefixSpace)
        {
            pieces = [.. pieces.Select(AddPrefixSpace)];
        }

        if (useRegex)
        {
            pieces = WordSplitter.Split(pieces);
        }

        var bytes = new AlignedText(pieces.Sum(p => p.IsToken ? 0 : p.Length), 0);
        for (int i = 0; i < pieces.Count; i++)
        {
            var piece = pieces[i];
            if (!piece.IsToken)
            {
                int start = bytes.Length;
                ByteAlphabet.Append(bytes, piece.Text, piece.Start, piece.Length);
                pieces[i] = new Piece(bytes, start, bytes.Length - start, piece.Shift);
            }
        }

        return pieces;
    }

    private static Piece AddPrefixSpace(Piece piece)
    {
        if (piece.IsToken || piece.Chars.StartsWith(' '))
        {
            return piece;
        }

        var text = piece.Text.Slice(piece.Start, piece.Length, piece.Shift).Prepend(" ");
        return new Piece(text, 0, text.Length, piece.Shift);
    }
}

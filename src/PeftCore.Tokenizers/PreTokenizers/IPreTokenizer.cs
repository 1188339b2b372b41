namespace PeftCore.Tokenizers;

/// <summary>The step that cuts a normalized text into the pieces that the model encodes one by one.</summary>
internal interface IPreTokenizer
{
    /// <summary>Cuts pieces further. Pieces that are tokens already stay as they are.</summary>
    List<Piece> Apply(List<Piece> pieces);
}

/// <summary>A sequence of pre-tokenizers.</summary>
internal sealed class PreTokenizerSequence(IReadOnlyList<IPreTokenizer> steps) : IPreTokenizer
{
    public List<Piece> Apply(List<Piece> pieces)
    {
        foreach (var step in steps)
        {
            pieces = step.Apply(pieces);
        }

        return pieces;
    }
}

/// <summary>Cuts where a pattern matches.</summary>
internal sealed class PatternPreTokenizer(IPattern pattern, SplitBehavior behavior, bool invert = false) : IPreTokenizer
{
    private readonly Splitter _splitter = new(pattern, behavior, invert);

    public List<Piece> Apply(List<Piece> pieces) => _splitter.Split(pieces);
}

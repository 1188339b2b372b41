namespace PeftCore.Tokenizers;

/// <summary>A part of a text that the model is to encode, or an added token already matched in it.</summary>
/// <param name="Text">The text that contains the part.</param>
/// <param name="Start">Its first UTF-16 unit.</param>
/// <param name="Length">Its length in UTF-16 units.</param>
/// <param name="Shift">The code point of the original text at which it begins.</param>
/// <param name="TokenId">The id of the added token that it is, or -1.</param>
internal readonly record struct Piece(AlignedText Text, int Start, int Length, int Shift, int TokenId = -1)
{
    public bool IsToken => TokenId >= 0;

    public ReadOnlySpan<char> Chars => Text.Chars.Slice(Start, Length);

    /// <summary>A part of a piece.</summary>
    public Piece Part(int start, int end) =>
        new(Text, Start + start, end - start, end > start ? Text.Origins[Start + start].Start : Shift);

    /// <summary>A whole text as one piece.</summary>
    public static Piece Whole(AlignedText text) => new Piece(text, 0, text.Length, text.Shift).Part(0, text.Length);
}

namespace PeftCore.Tokenizers;

/// <summary>Each piece is one token or unknown.</summary>
internal sealed class WordLevelModel(Vocabulary vocabulary, string unknownToken) : ITokenModel
{
    public int VocabularySize => vocabulary.Count;

    public int LargestId => vocabulary.LargestId;

    public int? IdOf(string token) => vocabulary.IdOf(token);

    public string? TokenOf(int id) => vocabulary.TokenOf(id);

    public ModelToken[] Tokenize(ReadOnlySpan<char> piece) =>
        [new ModelToken(vocabulary.TryGet(piece, out int id) ? id : vocabulary.IdOf(unknownToken)
            ?? throw WordPieceModel.Missing(unknownToken), 0, piece.Length)];
}

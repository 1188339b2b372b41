namespace PeftCore.Tokenizers;

/// <summary>WordPiece: the longest token that a word begins with, then the longest continuation, and so on; a word that cannot be covered
/// is unknown as a whole.</summary>
internal sealed class WordPieceModel(Vocabulary vocabulary, string unknownToken, string continuingPrefix, int maxCharacters) : ITokenModel
{
    private readonly WordCache _cache = new();

    public int VocabularySize => vocabulary.Count;

    public int LargestId => vocabulary.LargestId;

    public int? IdOf(string token) => vocabulary.IdOf(token);

    public string? TokenOf(int id) => vocabulary.TokenOf(id);

    public ModelToken[] Tokenize(ReadOnlySpan<char> piece)
    {
        if (!_cache.TryGet(piece, out var tokens))
        {
            tokens = CodePoints.Count(piece) > maxCharacters ? Unknown(piece.Length) : Cover(piece) ?? Unknown(piece.Length);
            _cache.Add(piece, tokens);
        }

        return tokens;
    }

    private ModelToken[]? Cover(ReadOnlySpan<char> word)
    {
        var tokens = new List<ModelToken>();
        char[] candidate = new char[continuingPrefix.Length + word.Length];
        for (int start = 0; start < word.Length;)
        {
            int prefix = start == 0 ? 0 : continuingPrefix.Length;
            continuingPrefix.AsSpan(0, prefix).CopyTo(candidate);
            word[start..].CopyTo(candidate.AsSpan(prefix));
            int longest = Math.Min(word.Length - start, Math.Max(vocabulary.LongestToken - prefix, 0));
            int length = longest;
            int id;
            while (!vocabulary.TryGet(candidate.AsSpan(0, prefix + length), out id) && length > 0)
            {
                length--;
            }

            if (length == 0)
            {
                return null;
            }

            tokens.Add(new ModelToken(id, start, start + length));
            start += length;
        }

        return [.. tokens];
    }

    private ModelToken[] Unknown(int length) => [new ModelToken(vocabulary.IdOf(unknownToken) ?? throw Missing(unknownToken), 0, length)];

    internal static BadInputException Missing(string unknownToken) => new($"The text has a word outside the vocabulary and the tokenizer's "
        + $"unknown token \"{unknownToken}\" is not in it either; add that token to model.vocab of tokenizer.json.");
}

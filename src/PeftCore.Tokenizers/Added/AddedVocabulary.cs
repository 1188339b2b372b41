namespace PeftCore.Tokenizers;

/// <summary>The added tokens of a tokenizer, and the finding of them around and within normalization.</summary>
internal sealed class AddedVocabulary
{
    private readonly INormalizer? _normalizer;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<int, AddedToken> _tokens = [];
    private readonly Dictionary<int, string> _normalized = [];
    private readonly AddedTokenMatcher _rawMatcher;
    private readonly AddedTokenMatcher _normalizedMatcher;

    public AddedVocabulary(IEnumerable<AddedToken> tokens, ITokenModel model, INormalizer? normalizer, List<string> problems)
    {
        _normalizer = normalizer;
        foreach (var token in tokens)
        {
            if (token.Content.Length == 0)
            {
                problems.Add($"added_tokens has a token without content at id {token.Id}; it is left out, as in Hugging Face's " +
                    "tokenizers.");
                continue;
            }

            var known = token with { Id = IdOf(token.Content) ?? model.IdOf(token.Content) ?? NextId(token, model) };
            if (known.Id != token.Id || (_tokens.TryGetValue(known.Id, out var other) && other.Content != token.Content))
            {
                problems.Add($"added_tokens gives \"{token.Content}\" the id {token.Id}, "
                    + (known.Id == token.Id ? $"which \"{_tokens[known.Id].Content}\" has too; the later one keeps it."
                        : $"but it gets {known.Id}, {Origin(token, model)}, as in Hugging Face's tokenizers."));
            }

            _ids[token.Content] = known.Id;
            _tokens[known.Id] = known;
            LargestId = Math.Max(LargestId, known.Id);
            if (known.Normalized && normalizer is not null)
            {
                _normalized[known.Id] = normalizer.Apply(AlignedText.Original(CodePoints.WellFormed(known.Content), 0)).Chars.ToString();
            }
        }

        _rawMatcher = new(_tokens.Values.Where(t => !t.Normalized).Select(t => (t.Content, t)));
        _normalizedMatcher = new(_tokens.Values.Where(t => t.Normalized).Select(t => (_normalized.GetValueOrDefault(t.Id, t.Content), t)));
    }

    /// <summary>How many of the tokens the model's vocabulary does not have.</summary>
    public int NotInModel { get; private set; }

    public int LargestId { get; } = -1;

    public int? IdOf(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    public AddedToken? Find(int id) => _tokens.GetValueOrDefault(id);

    /// <summary>What a decoder is given for an added token: its normalized form, which the decoder is made to undo.</summary>
    public string DecoderForm(AddedToken token) => _normalized.GetValueOrDefault(token.Id, token.Content);

    /// <summary>Normalizes a text and cuts out the added tokens: some from the text as it is, the others after normalization.</summary>
    public List<Piece> Extract(string text)
    {
        var pieces = new List<Piece>();
        int position = 0;
        int shift = 0;
        foreach (var (span, token) in _rawMatcher.Find(text))
        {
            // A token that takes white space may begin before the end of the one before it.
            shift = span.Start >= position
                ? shift + CodePoints.Count(text.AsSpan(position, span.Start - position))
                : shift - CodePoints.Count(text.AsSpan(span.Start, position - span.Start));
            position = span.Start;
            var part = AlignedText.Original(text.AsSpan(span.Start, span.End - span.Start), shift);
            if (token is not null)
            {
                pieces.Add(Piece.Whole(part) with { TokenId = token.Id });
                continue;
            }

            part = _normalizer?.Apply(part) ?? part;
            var whole = new Piece(part, 0, part.Length, part.Shift);
            foreach (var (inner, innerToken) in _normalizedMatcher.Find(part.Chars))
            {
                pieces.Add(whole.Part(inner.Start, inner.End) with { TokenId = innerToken?.Id ?? -1 });
            }
        }

        return pieces;
    }

    private string Origin(AddedToken token, ITokenModel model) =>
        _ids.ContainsKey(token.Content) ? "its id earlier in the list" : model.IdOf(token.Content) is null ? "the next after the vocabulary"
        : "its id in model.vocab";

    /// <summary>The reference numbers new tokens from the size of the vocabulary on, whatever the file says, and models are trained with
    /// its numbers. Where the vocabulary has holes that number is taken, and the file's is right.</summary>
    private int NextId(AddedToken token, ITokenModel model)
    {
        int next = model.VocabularySize + NotInModel++;
        return model.TokenOf(next) is null ? next : token.Id;
    }
}

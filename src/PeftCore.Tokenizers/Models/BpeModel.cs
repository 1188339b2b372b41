namespace PeftCore.Tokenizers;

/// <summary>Settings of a byte-pair encoding besides its merges.</summary>
/// <param name="UnknownToken">The token of characters that the vocabulary lacks; null to drop them.</param>
/// <param name="ContinuingPrefix">Put before every symbol of a word but the first.</param>
/// <param name="EndOfWordSuffix">Put after the last symbol of a word.</param>
/// <param name="FuseUnknown">Whether neighbouring unknown characters become one token.</param>
/// <param name="ByteFallback">Whether an unknown character becomes the tokens of its bytes.</param>
/// <param name="IgnoreMerges">Whether a word that is a token is taken whole, however its merges would go.</param>
internal sealed record BpeOptions(
    string? UnknownToken, string? ContinuingPrefix, string? EndOfWordSuffix, bool FuseUnknown, bool ByteFallback, bool IgnoreMerges);

/// <summary>Byte-pair encoding (Sennrich et al. 2016): a word starts as its characters, and the known pair with the lowest rank is merged
/// until no known pair is left.</summary>
internal sealed class BpeModel : ITokenModel
{
    private readonly Vocabulary _vocabulary;
    private readonly PairTable _merges;
    private readonly BpeOptions _options;
    private readonly int _unknown;
    private readonly int[] _characters = new int[0x400];
    private readonly int[]? _bytes;
    private readonly WordCache _cache = new();

    public BpeModel(Vocabulary vocabulary, PairTable merges, BpeOptions options)
    {
        _vocabulary = vocabulary;
        _merges = merges;
        _options = options;
        _unknown = options.UnknownToken is { } unknown ? vocabulary.IdOf(unknown) ?? -1 : -1;
        for (int c = 0; c < _characters.Length; c++)
        {
            _characters[c] = vocabulary.TryGet([(char)c], out int id) ? id : -1;
        }

        _bytes = options.ByteFallback ? ByteTokens(vocabulary) : null;
    }

    public int VocabularySize => _vocabulary.Count;

    public int LargestId => _vocabulary.LargestId;

    public int? IdOf(string token) => _vocabulary.IdOf(token);

    public string? TokenOf(int id) => _vocabulary.TokenOf(id);

    public ModelToken[] Tokenize(ReadOnlySpan<char> piece)
    {
        if (_cache.TryGet(piece, out var tokens))
        {
            return tokens;
        }

        if (_options.IgnoreMerges && _vocabulary.TryGet(piece, out int whole))
        {
            tokens = [new ModelToken(whole, 0, piece.Length)];
        }
        else
        {
            tokens = Merge(piece);
            ByteOffsets.ToUnits(piece, tokens);
        }

        _cache.Add(piece, tokens);
        return tokens;
    }

    /// <summary>The ids of "&lt;0x00&gt;" to "&lt;0xFF&gt;", -1 where the vocabulary lacks one.</summary>
    internal static int[] ByteTokens(Vocabulary vocabulary)
    {
        int[] ids = new int[256];
        for (int b = 0; b < 256; b++)
        {
            ids[b] = vocabulary.IdOf($"<0x{b:X2}>") ?? -1;
        }

        return ids;
    }

    private ModelToken[] Merge(ReadOnlySpan<char> piece)
    {
        // Byte fallback makes up to four symbols of a character, three of a UTF-16 unit; affixes may add bytes of their own.
        int affixes = (_options.ContinuingPrefix?.Length ?? 0) + (_options.EndOfWordSuffix?.Length ?? 0);
        var word = new BpeWord(_bytes is null ? piece.Length + 1 : (piece.Length * (1 + affixes)) * 3 + 1);
        int pending = 0;
        Span<byte> utf8 = stackalloc byte[4];
        for (int i = 0; i < piece.Length;)
        {
            int units = piece.CodePointLength(i);
            int bytes = CodePoints.Utf8Length(piece.CodePointAt(i));
            int id = SymbolId(piece, i, units, out string? affixed);
            if (id >= 0)
            {
                if (pending > 0)
                {
                    word.Add(_unknown, pending);
                    pending = 0;
                }

                word.Add(id, bytes);
            }
            else if (!TryAddBytes(ref word, affixed is null ? piece.Slice(i, units) : affixed, utf8))
            {
                AddUnknown(ref word, bytes, ref pending);
            }

            i += units;
        }

        if (pending > 0)
        {
            word.Add(_unknown, pending);
        }

        word.Merge(_merges);
        var tokens = word.ToTokens();
        word.Dispose();
        return tokens;
    }

    private int SymbolId(ReadOnlySpan<char> piece, int start, int units, out string? affixed)
    {
        string? prefix = start > 0 ? _options.ContinuingPrefix : null;
        string? suffix = start + units == piece.Length ? _options.EndOfWordSuffix : null;
        affixed = null;
        if (!string.IsNullOrEmpty(prefix) || !string.IsNullOrEmpty(suffix))
        {
            affixed = string.Concat(prefix, piece.Slice(start, units), suffix);
            return _vocabulary.TryGet(affixed, out int affixedId) ? affixedId : -1;
        }

        return piece[start] < _characters.Length ? _characters[piece[start]]
            : _vocabulary.TryGet(piece.Slice(start, units), out int id) ? id : -1;
    }

    private bool TryAddBytes(ref BpeWord word, ReadOnlySpan<char> symbol, scoped Span<byte> utf8)
    {
        if (_bytes is null)
        {
            return false;
        }

        for (int pass = 0; pass < 2; pass++)
        {
            for (int i = 0; i < symbol.Length; i += symbol.CodePointLength(i))
            {
                foreach (byte value in utf8[..CodePoints.WriteUtf8(symbol.CodePointAt(i), utf8)])
                {
                    if (_bytes[value] < 0)
                    {
                        return false;
                    }

                    if (pass == 1)
                    {
                        word.Add(_bytes[value], 1);
                    }
                }
            }
        }

        return true;
    }

    private void AddUnknown(ref BpeWord word, int bytes, ref int pending)
    {
        if (_options.UnknownToken is null)
        {
            return;
        }

        if (_unknown < 0)
        {
            throw new BadInputException($"The text has a character outside the vocabulary and the tokenizer's model.unk_token "
                + $"\"{_options.UnknownToken}\" is not in it either; add that token to model.vocab of tokenizer.json.");
        }

        if (pending > 0 && !_options.FuseUnknown)
        {
            word.Add(_unknown, pending);
            pending = 0;
        }

        pending += bytes;
    }
}

using System.Buffers;

namespace PeftCore.Tokenizers;

/// <summary>The unigram language model of SentencePiece (Kudo 2018): of all ways to cut a piece into tokens the one with the largest sum of
/// scores, found by Viterbi's algorithm.</summary>
internal sealed class UnigramModel : ITokenModel
{
    // The score of an unknown character is the lowest score of a token minus this.
    private const double UnknownPenalty = 10;
    private readonly Vocabulary _vocabulary;
    private readonly string[] _tokens;
    private readonly double[] _scores;
    private readonly int _unknown;
    private readonly int[]? _bytes;
    private readonly double _unknownScore;
    private readonly CharTrie _trie = new();
    private readonly WordCache _cache = new();

    public UnigramModel(string[] tokens, double[] scores, int unknown, bool byteFallback)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < tokens.Length; i++)
        {
            ids[tokens[i]] = i;
            if (tokens[i].Length > 0)
            {
                _trie.Add(tokens[i], i);
            }
        }

        _vocabulary = new Vocabulary(ids);
        _tokens = tokens;
        _scores = scores;
        _unknown = unknown;
        _bytes = byteFallback ? BpeModel.ByteTokens(_vocabulary) : null;
        _unknownScore = (scores.Length == 0 ? double.PositiveInfinity : scores.Min()) - UnknownPenalty;
    }

    public int VocabularySize => _tokens.Length;

    public int LargestId => _tokens.Length - 1;

    public int? IdOf(string token) => _vocabulary.IdOf(token);

    public string? TokenOf(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    public ModelToken[] Tokenize(ReadOnlySpan<char> piece)
    {
        if (!_cache.TryGet(piece, out var tokens))
        {
            tokens = ToTokens(piece, BestPath(piece));
            _cache.Add(piece, tokens);
        }

        return tokens;
    }

    /// <summary>The tokens of the best path as (start, end), unknown characters in a row taken together.</summary>
    private List<TextSpan> BestPath(ReadOnlySpan<char> piece)
    {
        int length = piece.Length;
        double[] best = ArrayPool<double>.Shared.Rent(length + 1);
        int[] memory = ArrayPool<int>.Shared.Rent(2 * (length + 1));
        var from = memory.AsSpan(0, length + 1);
        var ids = memory.AsSpan(length + 1, length + 1);
        from.Fill(-1);
        best[0] = 0;
        for (int start = 0; start < length;)
        {
            double score = best[start];
            int single = piece.CodePointLength(start);
            bool hasSingle = false;
            int node = CharTrie.Root;
            for (int end = start; end < length && (node = _trie.Child(node, piece[end])) >= 0;)
            {
                end++;
                if (_trie.Value(node) is >= 0 and var id)
                {
                    Offer(best, from, ids, start, end, score + _scores[id], id);
                    hasSingle |= end - start == single;
                }
            }

            if (!hasSingle)
            {
                if (_unknown < 0)
                {
                    throw new BadInputException("The text has a character outside the vocabulary and the tokenizer names no unknown token; "
                        + "set model.unk_id in tokenizer.json.");
                }

                Offer(best, from, ids, start, start + single, score + _unknownScore, _unknown);
            }

            start += single;
        }

        var path = new List<TextSpan>();
        bool fusing = false;
        for (int end = length; end > 0; end = from[end])
        {
            bool unknown = ids[end] == _unknown;
            if (unknown && fusing)
            {
                path[^1] = path[^1] with { Start = from[end] };
            }
            else
            {
                path.Add(new TextSpan(from[end], end));
            }

            fusing = unknown;
        }

        path.Reverse();
        ArrayPool<double>.Shared.Return(best);
        ArrayPool<int>.Shared.Return(memory);
        return path;
    }

    private static void Offer(double[] best, Span<int> from, Span<int> ids, int start, int end, double score, int id)
    {
        if (from[end] < 0 || score > best[end])
        {
            best[end] = score;
            from[end] = start;
            ids[end] = id;
        }
    }

    private ModelToken[] ToTokens(ReadOnlySpan<char> piece, List<TextSpan> path)
    {
        var tokens = new List<ModelToken>(path.Count);
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var (start, end) in path)
        {
            var text = piece[start..end];
            if (_vocabulary.TryGet(text, out int id))
            {
                tokens.Add(new ModelToken(id, start, end));
            }
            else if (!TryAddBytes(text, start, end, tokens, utf8))
            {
                tokens.Add(new ModelToken(_unknown, start, end, text.ToString()));
            }
        }

        return [.. tokens];
    }

    private bool TryAddBytes(ReadOnlySpan<char> text, int start, int end, List<ModelToken> tokens, Span<byte> utf8)
    {
        if (_bytes is null)
        {
            return false;
        }

        int count = tokens.Count;
        for (int i = 0; i < text.Length; i += text.CodePointLength(i))
        {
            foreach (byte value in utf8[..CodePoints.WriteUtf8(text.CodePointAt(i), utf8)])
            {
                if (_bytes[value] < 0)
                {
                    tokens.RemoveRange(count, tokens.Count - count);
                    return false;
                }

                tokens.Add(new ModelToken(_bytes[value], start, end));
            }
        }

        return true;
    }
}

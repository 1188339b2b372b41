using System.Buffers;

namespace PeftCore.Tokenizers;

/// <summary>Finds added tokens in a text: the leftmost, and of those that begin there the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly CharTrie _trie = new();
    private readonly List<AddedToken> _tokens = [];
    private readonly SearchValues<char> _firstChars;

    public AddedTokenMatcher(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        var firstChars = new HashSet<char>();
        foreach (var (pattern, token) in tokens)
        {
            if (pattern.Length > 0)
            {
                firstChars.Add(pattern[0]);
                _trie.Add(pattern, _tokens.Count);
                _tokens.Add(token);
            }
        }

        _firstChars = SearchValues.Create([.. firstChars]);
    }

    /// <summary>Parts that cover the text: the tokens found, and the text between them with a null token.</summary>
    public List<(TextSpan Span, AddedToken? Token)> Find(ReadOnlySpan<char> text)
    {
        var parts = new List<(TextSpan, AddedToken?)>();
        int covered = 0;
        for (int position = 0; Next(text, position) is var (start, end, token); position = Math.Max(end, position + 1))
        {
            if (token.SingleWord && (IsWordBefore(text, start) || (end < text.Length && CharacterKinds.IsWord(text.CodePointAt(end)))))
            {
                continue;
            }

            var (first, last) = (start, end);
            while (token.LStrip && first > covered && char.IsWhiteSpace(text[first - 1]))
            {
                first--;
            }

            while (token.RStrip && last < text.Length && char.IsWhiteSpace(text[last]))
            {
                last++;
            }

            if (covered < first)
            {
                parts.Add((new TextSpan(covered, first), null));
            }

            parts.Add((new TextSpan(first, last), token));
            covered = last;
        }

        if (covered < text.Length)
        {
            parts.Add((new TextSpan(covered, text.Length), null));
        }

        return parts;
    }

    private (int Start, int End, AddedToken Token)? Next(ReadOnlySpan<char> text, int position)
    {
        while (position < text.Length)
        {
            int step = text[position..].IndexOfAny(_firstChars);
            if (step < 0)
            {
                return null;
            }

            position += step;
            var (end, value) = (0, -1);
            int node = CharTrie.Root;
            for (int i = position; i < text.Length && (node = _trie.Child(node, text[i])) >= 0; i++)
            {
                if (_trie.Value(node) >= 0)
                {
                    (end, value) = (i + 1, _trie.Value(node));
                }
            }

            if (value >= 0)
            {
                return (position, end, _tokens[value]);
            }

            position++;
        }

        return null;
    }

    private static bool IsWordBefore(ReadOnlySpan<char> text, int index) =>
        index > 0 && CharacterKinds.IsWord(text.CodePointAt(index >= 2 && char.IsLowSurrogate(text[index - 1]) ? index - 2 : index - 1));
}

using System.Collections.Concurrent;

namespace PeftCore.Tokenizers;

/// <summary>Remembers the tokens of words, which repeat a great deal in any text. Safe for many threads; full, it stays as it is.</summary>
internal sealed class WordCache
{
    private const int MaxWords = 1 << 16;
    private const int MaxLength = 256;
    private readonly ConcurrentDictionary<string, ModelToken[]> _words = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ModelToken[]>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private int _count;

    public WordCache() => _lookup = _words.GetAlternateLookup<ReadOnlySpan<char>>();

    public bool TryGet(ReadOnlySpan<char> word, out ModelToken[] tokens) => _lookup.TryGetValue(word, out tokens!);

    public void Add(ReadOnlySpan<char> word, ModelToken[] tokens)
    {
        if (word.Length <= MaxLength && _count < MaxWords && _lookup.TryAdd(word, tokens))
        {
            Interlocked.Increment(ref _count);
        }
    }
}

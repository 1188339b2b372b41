namespace PeftCore.Tokenizers;

/// <summary>Tokens and their ids, both ways.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly string?[] _dense = [];
    private readonly Dictionary<int, string> _sparse = [];

    public Vocabulary(Dictionary<string, int> ids)
    {
        _ids = ids;
        _lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var (token, id) in ids)
        {
            LargestId = Math.Max(LargestId, id);
            LongestToken = Math.Max(LongestToken, token.Length);
        }

        // Ids are nearly always 0..n-1; a single very large id must not cost an array of that size.
        if (LargestId < ids.Count * 4L + 1024)
        {
            _dense = new string?[LargestId + 1];
        }

        foreach (var (token, id) in ids)
        {
            if (_dense.Length > 0)
            {
                _dense[id] = token;
            }
            else
            {
                _sparse[id] = token;
            }
        }
    }

    public int Count => _ids.Count;

    public int LargestId { get; } = -1;

    /// <summary>The length of the longest token in UTF-16 units.</summary>
    public int LongestToken { get; }

    public bool TryGet(ReadOnlySpan<char> token, out int id) => _lookup.TryGetValue(token, out id);

    public int? IdOf(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    public string? TokenOf(int id) =>
        (uint)id < (uint)_dense.Length ? _dense[id] : _sparse.GetValueOrDefault(id);
}

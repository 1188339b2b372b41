using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>A trie over UTF-16 units, its edges in one hash table.</summary>
internal sealed class CharTrie
{
    private ulong[] _keys = NewKeys(1024);
    private int[] _children = new int[1024];
    private int[] _values = new int[256];
    private int _nodes = 1;
    private int _edges;

    public CharTrie() => Array.Fill(_values, -1);

    /// <summary>The node that every text begins at.</summary>
    public const int Root = 0;

    /// <summary>Stores a value of at least 0 under a key; a key given again keeps the later one.</summary>
    public void Add(ReadOnlySpan<char> key, int value)
    {
        int node = Root;
        foreach (char c in key)
        {
            int child = Child(node, c);
            node = child >= 0 ? child : AddChild(node, c);
        }

        _values[node] = value;
    }

    /// <summary>The node that a character leads to, or -1.</summary>
    public int Child(int node, char c)
    {
        int slot = Slot(Key(node, c));
        return _keys[slot] == ulong.MaxValue ? -1 : _children[slot];
    }

    /// <summary>The value of the key that ends at a node, or -1.</summary>
    public int Value(int node) => _values[node];

    private static ulong Key(int node, char c) => ((ulong)(uint)node << 16) | c;

    private static ulong[] NewKeys(int capacity)
    {
        ulong[] keys = new ulong[capacity];
        Array.Fill(keys, ulong.MaxValue);
        return keys;
    }

    private int Slot(ulong key)
    {
        int slot = (int)((key * 0x9E3779B97F4A7C15) >> (64 - BitOperations.Log2((uint)_keys.Length)));
        while (_keys[slot] != key && _keys[slot] != ulong.MaxValue)
        {
            slot = (slot + 1) & (_keys.Length - 1);
        }

        return slot;
    }

    private int AddChild(int node, char c)
    {
        if (++_edges * 2 > _keys.Length)
        {
            Grow();
        }

        if (_nodes == _values.Length)
        {
            Array.Resize(ref _values, _values.Length * 2);
            _values.AsSpan(_nodes).Fill(-1);
        }

        int slot = Slot(Key(node, c));
        _keys[slot] = Key(node, c);
        return _children[slot] = _nodes++;
    }

    private void Grow()
    {
        var (keys, children) = (_keys, _children);
        _keys = NewKeys(keys.Length * 2);
        _children = new int[_keys.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] != ulong.MaxValue)
            {
                int slot = Slot(keys[i]);
                _keys[slot] = keys[i];
                _children[slot] = children[i];
            }
        }
    }
}

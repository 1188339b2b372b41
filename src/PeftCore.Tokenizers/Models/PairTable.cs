using System.Numerics;

namespace PeftCore.Tokenizers;

/// <summary>The merges of a byte-pair encoding: for a pair of ids its rank and the id of the merged token. Open addressing, because a
/// dictionary of tuples takes most of the time of a merge.</summary>
internal sealed class PairTable
{
    private readonly ulong[] _keys;
    private readonly ulong[] _values;
    private readonly int _shift;

    public PairTable(int count)
    {
        int capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(count * 2, 16));
        _keys = new ulong[capacity];
        _values = new ulong[capacity];
        _shift = 64 - BitOperations.Log2((uint)capacity);
        Array.Fill(_keys, ulong.MaxValue);
    }

    /// <summary>Sets the merge of a pair; a pair given twice keeps the later rank.</summary>
    public void Set(int left, int right, int rank, int merged)
    {
        int slot = Slot(Key(left, right));
        _keys[slot] = Key(left, right);
        _values[slot] = ((ulong)(uint)rank << 32) | (uint)merged;
    }

    public bool TryGet(int left, int right, out int rank, out int merged)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        ulong value = _values[slot];
        rank = (int)(value >> 32);
        merged = (int)value;
        return _keys[slot] == key;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Slot(ulong key)
    {
        int slot = (int)((key * 0x9E3779B97F4A7C15) >> _shift);
        while (_keys[slot] != key && _keys[slot] != ulong.MaxValue)
        {
            slot = (slot + 1) & (_keys.Length - 1);
        }

        return slot;
    }
}

using System.Buffers;

namespace PeftCore.Tokenizers;

/// <summary>The symbols of one word while their pairs are merged: a linked list in borrowed arrays.</summary>
internal ref struct BpeWord
{
    private readonly int[] _memory;
    private readonly Span<int> _ids;
    private readonly Span<int> _lengths;
    private readonly Span<int> _next;
    private readonly Span<int> _previous;

    public BpeWord(int capacity)
    {
        _memory = ArrayPool<int>.Shared.Rent(capacity * 4);
        _ids = _memory.AsSpan(0, capacity);
        _lengths = _memory.AsSpan(capacity, capacity);
        _next = _memory.AsSpan(2 * capacity, capacity);
        _previous = _memory.AsSpan(3 * capacity, capacity);
    }

    public int Count { get; private set; }

    public readonly void Dispose() => ArrayPool<int>.Shared.Return(_memory);

    /// <summary>Adds a symbol that covers <paramref name="length"/> bytes of UTF-8.</summary>
    public void Add(int id, int length)
    {
        _ids[Count] = id;
        _lengths[Count] = length;
        _next[Count] = -1;
        _previous[Count] = Count - 1;
        if (Count > 0)
        {
            _next[Count - 1] = Count;
        }

        Count++;
    }

    /// <summary>Merges pairs, lowest rank first and leftmost among equals, until none is left.</summary>
    public readonly void Merge(PairTable merges)
    {
        // At most one entry for each neighbouring pair at the start and two for each merge.
        ulong[] memory = ArrayPool<ulong>.Shared.Rent(3 * Count);
        var queue = new MergeHeap(memory);
        for (int i = 0; i + 1 < Count; i++)
        {
            Enqueue(ref queue, merges, i, i + 1);
        }

        while (queue.TryPop(out ulong entry))
        {
            int position = (int)(uint)entry;
            int right = _lengths[position] == 0 ? -1 : _next[position];

            // An entry is stale when one of its two symbols has been merged away since.
            if (right < 0 || !merges.TryGet(_ids[position], _ids[right], out int rank, out int merged) || rank != (int)(entry >> 32))
            {
                continue;
            }

            _ids[position] = merged;
            _lengths[position] += _lengths[right];
            _lengths[right] = 0;
            int next = _next[position] = _next[right];
            if (next >= 0)
            {
                _previous[next] = position;
                Enqueue(ref queue, merges, position, next);
            }

            if (_previous[position] >= 0)
            {
                Enqueue(ref queue, merges, _previous[position], position);
            }
        }

        ArrayPool<ulong>.Shared.Return(memory);
    }

    /// <summary>The symbols that are left, with their ranges in bytes of UTF-8.</summary>
    public readonly ModelToken[] ToTokens()
    {
        int count = 0;
        for (int i = 0; i < Count; i++)
        {
            count += _lengths[i] == 0 ? 0 : 1;
        }

        var tokens = new ModelToken[count];
        int offset = 0;
        for (int i = 0, token = 0; i < Count; i++)
        {
            if (_lengths[i] != 0)
            {
                tokens[token++] = new ModelToken(_ids[i], offset, offset += _lengths[i]);
            }
        }

        return tokens;
    }

    private readonly void Enqueue(ref MergeHeap queue, PairTable merges, int left, int right)
    {
        if (merges.TryGet(_ids[left], _ids[right], out int rank, out _))
        {
            queue.Push(((ulong)(uint)rank << 32) | (uint)left);
        }
    }
}

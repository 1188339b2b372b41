namespace PeftCore.Backends;

/// <summary>An arena's free blocks, sorted by size, then place. A sorted list rather than a tree: there are few blocks, and a list leaves
/// no garbage.</summary>
internal sealed class FreeBlocks
{
    private readonly List<ArenaBlock> _sorted = [];

    public void Add(ArenaBlock block) => _sorted.Insert(IndexOf(block.Bytes, block.Place), block);

    public void Remove(ArenaBlock block)
    {
        int index = IndexOf(block.Bytes, block.Place);
        if (index < _sorted.Count && _sorted[index] == block)
        {
            _sorted.RemoveAt(index);
        }
    }

    /// <summary>Takes the smallest block of at least so many bytes, the first among equals; null if there is none.</summary>
    public ArenaBlock? Take(long bytes)
    {
        int index = IndexOf(bytes, nint.MinValue);
        if (index == _sorted.Count)
        {
            return null;
        }
        var block = _sorted[index];
        _sorted.RemoveAt(index);
        return block;
    }

    /// <summary>The free block that contains a range of bytes; null if some of them are in use.</summary>
    public ArenaBlock? Around(nint address, long bytes)
    {
        foreach (var free in _sorted)
        {
            if (free.Address <= address && address + bytes <= free.Address + free.Bytes)
            {
                return free;
            }
        }
        return null;
    }

    /// <summary>Bytes of all free blocks.</summary>
    public long Bytes => _sorted.Sum(block => block.Bytes);

    public void Clear() => _sorted.Clear();

    // The index of the first block that is not before one of this size and place.
    private int IndexOf(long bytes, nint place)
    {
        int low = 0, high = _sorted.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            var block = _sorted[middle];
            if (block.Bytes < bytes || (block.Bytes == bytes && block.Place < place))
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low;
    }
}

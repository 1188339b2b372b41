namespace PeftCore.Backends;

/// <summary>An arena's free blocks, sorted by size, then address. A sorted list rather than a tree: there are few blocks, and a list leaves
/// no garbage.</summary>
internal sealed class FreeBlocks
{
    private readonly List<(long Bytes, nint Address)> _sorted = [];

    public void Add(long bytes, nint address) => _sorted.Insert(~_sorted.BinarySearch((bytes, address)), (bytes, address));

    public void Remove(long bytes, nint address)
    {
        int index = _sorted.BinarySearch((bytes, address));
        if (index >= 0)
        {
            _sorted.RemoveAt(index);
        }
    }

    /// <summary>Takes the smallest block of at least so many bytes, the one at the lowest address among equals.</summary>
    public bool TryTake(long bytes, out nint address)
    {
        int index = _sorted.BinarySearch((bytes, nint.MinValue));
        index = index < 0 ? ~index : index;
        if (index == _sorted.Count)
        {
            address = 0;
            return false;
        }
        address = _sorted[index].Address;
        _sorted.RemoveAt(index);
        return true;
    }

    /// <summary>The free block that contains a range of bytes; (0, 0) if some of them are in use.</summary>
    public (long Bytes, nint Address) Around(nint address, long bytes)
    {
        foreach (var free in _sorted)
        {
            if (free.Address <= address && address + bytes <= free.Address + free.Bytes)
            {
                return free;
            }
        }
        return default;
    }

    public void Clear() => _sorted.Clear();
}

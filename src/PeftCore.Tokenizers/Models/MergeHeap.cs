namespace PeftCore.Tokenizers;

/// <summary>A binary heap over borrowed memory that gives the smallest number first.</summary>
internal ref struct MergeHeap(Span<ulong> items)
{
    private readonly Span<ulong> _items = items;
    private int _count;

    public void Push(ulong item)
    {
        int i = _count++;
        while (i > 0)
        {
            int parent = (i - 1) / 2;
            if (_items[parent] <= item)
            {
                break;
            }

            _items[i] = _items[parent];
            i = parent;
        }

        _items[i] = item;
    }

    public bool TryPop(out ulong smallest)
    {
        if (_count == 0)
        {
            smallest = 0;
            return false;
        }

        smallest = _items[0];
        ulong last = _items[--_count];
        int i = 0;
        while (true)
        {
            int child = 2 * i + 1;
            if (child >= _count)
            {
                break;
            }

            if (child + 1 < _count && _items[child + 1] < _items[child])
            {
                child++;
            }

            if (last <= _items[child])
            {
                break;
            }

            _items[i] = _items[child];
            i = child;
        }

        _items[i] = last;
        return true;
    }
}

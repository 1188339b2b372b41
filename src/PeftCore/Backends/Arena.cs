namespace PeftCore.Backends;

/// <summary>Source of an arena's few large chunks: host memory, device memory, or none for a plan.</summary>
internal interface IChunkSource
{
    /// <summary>Takes a chunk.</summary>
    /// <param name="bytes">Its size.</param>
    /// <param name="unused">Bytes of earlier chunks that are free, which are in pieces too small; for the message.</param>
    /// <exception cref="InsufficientMemoryException">There is none.</exception>
    nint Take(long bytes, long unused = 0);

    void Return(nint address, long bytes);

    /// <summary>Bytes that the limit leaves.</summary>
    long Left => long.MaxValue;

    /// <summary>Whether its bytes exist. A plan's do not, so that collecting garbage would free none.</summary>
    bool HoldsData => true;
}

/// <summary>A best-fit allocator within large chunks; a freed block is joined with its free neighbours. A training step that repeats gets
/// the same addresses again.</summary>
internal sealed class Arena(IChunkSource source, long chunkBytes = Arena.DefaultChunk) : IDisposable
{
    /// <summary>Alignment of blocks in bytes; sizes are rounded up to it.</summary>
    public const long Granularity = 256;

    /// <summary>Bytes of a chunk. An allocation that needs more gets a chunk of its size.</summary>
    public const long DefaultChunk = 64L << 20;

    private readonly Lock _lock = new();
    private readonly FreeBlocks _free = new();
    private readonly Dictionary<nint, ArenaBlock> _blocks = [];
    private readonly List<(nint Address, long Bytes)> _chunks = [];
    private readonly Stack<ArenaBlock> _spare = [];
    private nint _nextPlace;
    private long _collectAt = FirstCollection;
    private bool _disposed;

    // From here on garbage is collected whenever the arena has doubled: tensors outside any scope are small objects, so that the collector
    // does not see how much memory they hold.
    private const long FirstCollection = 1L << 30;

    /// <summary>Bytes taken from the source, in use or free.</summary>
    public long ReservedBytes { get; private set; }

    /// <summary>The largest <see cref="ReservedBytes"/> so far.</summary>
    public long PeakReservedBytes { get; private set; }

    public static long Round(long bytes) => Math.Max(Granularity, (bytes + Granularity - 1) / Granularity * Granularity);

    /// <summary>Allocates a block of <see cref="Round"/>(<paramref name="bytes"/>) bytes.</summary>
    public nint Allocate(long bytes)
    {
        bytes = Round(bytes);
        // Finalizers take the lock, so that a thread which holds it must not wait for them. A filter runs before the lock is released.
        bool collected = _lock.IsHeldByCurrentThread;
        while (true)
        {
            try
            {
                if (AllocateNow(bytes, collected) is { } address)
                {
                    return address;
                }
            }
            catch (InsufficientMemoryException) when (!collected && source.HoldsData)
            {
            }
            GC.Collect();
            GC.WaitForPendingFinalizers();
            collected = true;
        }
    }

    // Null: collect garbage first.
    private nint? AllocateNow(long bytes, bool collected)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_free.Take(bytes) is not { } block)
            {
                if (!collected && ReservedBytes + bytes > _collectAt && source.HoldsData)
                {
                    _collectAt = Math.Max(FirstCollection, 2 * (ReservedBytes + bytes));
                    return null;
                }
                AddChunk(bytes);
                block = _free.Take(bytes)!;
            }
            block.Free = false;
            if (block.Bytes > bytes)
            {
                Split(block, bytes);
            }
            InUse ^= HashOf(block);
            return block.Address;
        }
    }

    /// <summary>Hash of the set of blocks in use and of the chunks returned so far. Equal hashes mean the same blocks in the same
    /// chunks.</summary>
    public ulong InUse { get; private set; }

    /// <summary>Blocks allocations and frees of other threads until the scope is disposed.</summary>
    public Lock.Scope LockMemory() => _lock.EnterScope();

    /// <summary>Allocates a block at a given address. Returns false if some of it is in use.</summary>
    public bool TryAllocateAt(nint address, long bytes)
    {
        bytes = Round(bytes);
        lock (_lock)
        {
            if (_free.Around(address, bytes) is not { } block)
            {
                return false;
            }
            _free.Remove(block);
            if (block.Address < address)
            {
                Split(block, address - block.Address);
                _free.Add(block);
                block = block.Next!;
                _free.Remove(block);
            }
            block.Free = false;
            if (block.Bytes > bytes)
            {
                Split(block, bytes);
            }
            InUse ^= HashOf(block);
            return true;
        }
    }

    public void Free(nint address)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return; // A tensor that is freed after its device: the arena has returned its memory already.
            }
            var block = _blocks[address];
            InUse ^= HashOf(block);
            block.Free = true;
            block = JoinWithNext(block);
            if (block.Previous is { Free: true } previous)
            {
                _free.Remove(previous);
                block = JoinWithNext(previous);
            }
            _free.Add(block);
        }
    }

    /// <summary>Returns chunks without blocks in use to the source.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            TrimChunks();
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            ReservedBytes = 0;
            foreach (var (address, bytes) in _chunks)
            {
                source.Return(address, bytes);
            }
            _chunks.Clear();
            _free.Clear();
            _blocks.Clear();
        }
    }

    // SplitMix64's finalizer (Steele et al. 2014): a change of one bit of address or size changes about half of the result's bits.
    private static ulong HashOf(ArenaBlock block)
    {
        ulong x = (ulong)block.Address * 0x9E3779B97F4A7C15 + (ulong)block.Bytes;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    private void TrimChunks()
    {
        for (int i = _chunks.Count - 1; i >= 0; i--)
        {
            var (address, bytes) = _chunks[i];
            if (_blocks[address] is { Free: true } block && block.Bytes == bytes)
            {
                _free.Remove(block);
                _blocks.Remove(address);
                _chunks.RemoveAt(i);
                ReservedBytes -= bytes;
                InUse = InUse * 0x9E3779B97F4A7C15 + 1; // Graphs with addresses in this chunk must become invalid.
                source.Return(address, bytes);
            }
        }
    }

    private void AddChunk(long atLeast)
    {
        long bytes = Math.Max(chunkBytes, atLeast);
        nint address;
        try
        {
            address = source.Take(bytes, _free.Bytes);
        }
        catch (InsufficientMemoryException)
        {
            TrimChunks();
            (address, bytes) = TakeNearLimit(atLeast);
        }
        _chunks.Add((address, bytes));
        _blocks[address] = new ArenaBlock { Address = address, Place = _nextPlace, Bytes = bytes, Free = true };
        _free.Add(_blocks[address]);
        _nextPlace += (nint)bytes;
        ReservedBytes += bytes;
        PeakReservedBytes = Math.Max(PeakReservedBytes, ReservedBytes);
    }

    // Empty chunks have gone back. All that the limit leaves, up to a chunk, is one chunk, because many small ones would not hold the
    // blocks of the next step, which are in another order. If the system has no more, only the bytes of this allocation are taken.
    private (nint Address, long Bytes) TakeNearLimit(long atLeast)
    {
        long most = Math.Max(atLeast, Math.Min(chunkBytes, source.Left / Granularity * Granularity));
        try
        {
            return (source.Take(most, _free.Bytes), most);
        }
        catch (InsufficientMemoryException) when (most > atLeast)
        {
            return (source.Take(atLeast, _free.Bytes), atLeast);
        }
    }

    private void Split(ArenaBlock block, long bytes)
    {
        var rest = _spare.Count > 0 ? _spare.Pop() : new ArenaBlock();
        rest.Address = block.Address + (nint)bytes;
        rest.Place = block.Place + (nint)bytes;
        rest.Bytes = block.Bytes - bytes;
        rest.Free = true;
        rest.Previous = block;
        rest.Next = block.Next;
        if (rest.Next is not null)
        {
            rest.Next.Previous = rest;
        }
        block.Next = rest;
        block.Bytes = bytes;
        _blocks[rest.Address] = rest;
        _free.Add(rest);
    }

    private ArenaBlock JoinWithNext(ArenaBlock block)
    {
        if (block.Next is { Free: true } next)
        {
            _free.Remove(next);
            _blocks.Remove(next.Address);
            block.Bytes += next.Bytes;
            block.Next = next.Next;
            if (block.Next is not null)
            {
                block.Next.Previous = block;
            }
            _spare.Push(next);
        }
        return block;
    }
}

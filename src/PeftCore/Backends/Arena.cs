namespace PeftCore.Backends;

/// <summary>Where an arena gets its few large chunks from: host memory, device memory, or nowhere for a plan.</summary>
internal interface IChunkSource
{
    /// <summary>Takes a chunk; throws <see cref="InsufficientMemoryException"/> when there is none.</summary>
    nint Take(long bytes);

    void Return(nint address, long bytes);
}

/// <summary>Cuts storage out of large chunks: best fit, neighbours joined when freed. A step that repeats finds the same blocks
/// again.</summary>
internal sealed class Arena(IChunkSource source, long chunkBytes = Arena.DefaultChunk) : IDisposable
{
    /// <summary>Every block starts at a multiple of this, and sizes are rounded up to it.</summary>
    public const long Granularity = 256;

    /// <summary>Bytes of a chunk, unless one allocation needs more.</summary>
    public const long DefaultChunk = 64L << 20;

    private readonly Lock _lock = new();
    private readonly FreeBlocks _free = new();
    private readonly Dictionary<nint, Block> _blocks = [];
    private readonly List<(nint Address, long Bytes)> _chunks = [];
    private readonly Stack<Block> _spare = [];
    private bool _disposed;

    /// <summary>Bytes taken from the source, used or not.</summary>
    public long ReservedBytes { get; private set; }

    public static long Round(long bytes) => Math.Max(Granularity, (bytes + Granularity - 1) / Granularity * Granularity);

    /// <summary>Takes a block of at least <paramref name="bytes"/>; its exact size is <see cref="Round"/> of it.</summary>
    public nint Allocate(long bytes)
    {
        bytes = Round(bytes);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_free.TryTake(bytes, out nint address))
            {
                AddChunk(bytes);
                _free.TryTake(bytes, out address);
            }
            var block = _blocks[address];
            block.Free = false;
            if (block.Bytes > bytes)
            {
                Split(block, bytes);
            }
            InUse ^= Mixed(block);
            return block.Address;
        }
    }

    /// <summary>Tells which blocks are in use, and whether a chunk has gone back: two states with one number are the same blocks in the
    /// same chunks.</summary>
    public ulong InUse { get; private set; }

    /// <summary>Keeps other threads from taking and freeing memory.</summary>
    public Lock.Scope Hold() => _lock.EnterScope();

    /// <summary>Takes a block at an address where it was before. False if something else is there.</summary>
    public bool TryAllocateAt(nint address, long bytes)
    {
        bytes = Round(bytes);
        lock (_lock)
        {
            var (freeBytes, start) = _free.Around(address, bytes);
            if (freeBytes == 0)
            {
                return false;
            }
            _free.Remove(freeBytes, start);
            var block = _blocks[start];
            if (start < address)
            {
                Split(block, address - start);
                _free.Add(block.Bytes, block.Address);
                block = block.Next!;
                _free.Remove(block.Bytes, block.Address);
            }
            block.Free = false;
            if (block.Bytes > bytes)
            {
                Split(block, bytes);
            }
            InUse ^= Mixed(block);
            return true;
        }
    }

    public void Free(nint address)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return; // A tensor that outlived its device: its memory went with the arena.
            }
            var block = _blocks[address];
            InUse ^= Mixed(block);
            block.Free = true;
            block = JoinWithNext(block);
            if (block.Previous is { Free: true } previous)
            {
                _free.Remove(previous.Bytes, previous.Address);
                block = JoinWithNext(previous);
            }
            _free.Add(block.Bytes, block.Address);
        }
    }

    /// <summary>Returns chunks nothing lives in.</summary>
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

    // Every bit of address and size should turn half the bits (Steele et al. 2014, SplitMix64).
    private static ulong Mixed(Block block)
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
                _free.Remove(bytes, address);
                _blocks.Remove(address);
                _chunks.RemoveAt(i);
                ReservedBytes -= bytes;
                InUse = InUse * 0x9E3779B97F4A7C15 + 1; // What remembers addresses in this chunk must not find the number it knows.
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
            address = source.Take(bytes);
        }
        catch (InsufficientMemoryException)
        {
            // Near the limit: chunks that nothing lives in go back, and the new one is no larger than it must be.
            TrimChunks();
            bytes = atLeast;
            address = source.Take(bytes);
        }
        _chunks.Add((address, bytes));
        _blocks[address] = new Block { Address = address, Bytes = bytes, Free = true };
        _free.Add(bytes, address);
        ReservedBytes += bytes;
    }

    private void Split(Block block, long bytes)
    {
        var rest = _spare.Count > 0 ? _spare.Pop() : new Block();
        rest.Address = block.Address + (nint)bytes;
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
        _free.Add(rest.Bytes, rest.Address);
    }

    private Block JoinWithNext(Block block)
    {
        if (block.Next is { Free: true } next)
        {
            _free.Remove(next.Bytes, next.Address);
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

    private sealed class Block
    {
        public nint Address { get; set; }
        public long Bytes { get; set; }
        public bool Free { get; set; }
        public Block? Previous { get; set; }
        public Block? Next { get; set; }
    }
}

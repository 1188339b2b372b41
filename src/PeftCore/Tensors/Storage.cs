namespace PeftCore.Tensors;

/// <summary>A reference-counted block of device memory, shared by tensors and freed at the last release.</summary>
internal sealed class Storage
{
    private int _references = 1;
    private int _saved;

    /// <summary>Wraps newly allocated memory. The caller owns the first reference.</summary>
    internal Storage(IDevice device, nint address, long bytes, long reserved, MemoryKind kind)
    {
        Device = device;
        Address = address;
        Bytes = bytes;
        ReservedBytes = reserved;
        Kind = kind;
        device.Memory.Add(reserved, kind);
    }

    /// <summary>The device.</summary>
    internal IDevice Device { get; }

    /// <summary>Device address of the first byte; 0 on a backend without data.</summary>
    internal nint Address { get; }

    /// <summary>Requested bytes.</summary>
    internal long Bytes { get; }

    /// <summary>Allocated bytes: <see cref="Bytes"/> rounded up to the device's granularity.</summary>
    internal long ReservedBytes { get; }

    /// <summary>The accounting category.</summary>
    internal MemoryKind Kind { get; private set; }

    /// <summary>Number of tensors that refer to this storage.</summary>
    internal int References => Volatile.Read(ref _references);

    /// <summary>Number of recorded ops that have saved these values for backward; until they have run, no op may overwrite them.</summary>
    internal int SavedBy => Volatile.Read(ref _saved);

    internal void AddReference()
    {
        if (Interlocked.Increment(ref _references) <= 1)
        {
            throw new ObjectDisposedException(nameof(Storage), "the memory of this tensor was already freed");
        }
    }

    internal void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            Device.Memory.Add(-ReservedBytes, Kind);
            Device.Free(this);
        }
    }

    /// <summary>Makes a freed storage usable again, after its memory was allocated again.</summary>
    internal void Reactivate(MemoryKind kind)
    {
        (_references, Kind) = (1, kind);
        Device.Memory.Add(ReservedBytes, kind);
    }

    internal void MarkSaved(int change) => Interlocked.Add(ref _saved, change);

    /// <summary>Moves these bytes to another accounting category, for example when an activation becomes a parameter's gradient.</summary>
    internal void Recategorize(MemoryKind kind)
    {
        Device.Memory.Move(ReservedBytes, Kind, kind);
        Kind = kind;
    }
}

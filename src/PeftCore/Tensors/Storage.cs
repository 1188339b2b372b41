namespace PeftCore.Tensors;

/// <summary>A block of device memory shared by tensors, freed when the last of them lets go.</summary>
public sealed class Storage
{
    private int _references = 1;
    private int _saved;

    /// <summary>Wraps memory that a device has just taken. The caller owns the first reference.</summary>
    internal Storage(IDevice device, nint address, long bytes, long reserved, MemoryKind kind)
    {
        Device = device;
        Address = address;
        Bytes = bytes;
        ReservedBytes = reserved;
        Kind = kind;
        device.Memory.Add(reserved, kind);
    }

    /// <summary>Where the memory is.</summary>
    public IDevice Device { get; }

    /// <summary>Device address of the first byte; 0 where there is no data.</summary>
    public nint Address { get; }

    /// <summary>Bytes asked for.</summary>
    public long Bytes { get; }

    /// <summary>Bytes taken: <see cref="Bytes"/> rounded up to the device's granularity.</summary>
    public long ReservedBytes { get; }

    /// <summary>What the memory is for.</summary>
    public MemoryKind Kind { get; private set; }

    /// <summary>How many tensors hold this storage.</summary>
    internal int References => Volatile.Read(ref _references);

    /// <summary>How many recorded ops wait for these values in backward; while any does, nothing may overwrite them.</summary>
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

    /// <summary>Brings back a storage that was freed, after its memory was taken again.</summary>
    internal void Reactivate(MemoryKind kind)
    {
        (_references, Kind) = (1, kind);
        Device.Memory.Add(ReservedBytes, kind);
    }

    internal void MarkSaved(int change) => Interlocked.Add(ref _saved, change);

    /// <summary>Books these bytes under another kind, as when an activation becomes a parameter's gradient.</summary>
    internal void Recategorize(MemoryKind kind)
    {
        Device.Memory.Move(ReservedBytes, Kind, kind);
        Kind = kind;
    }
}

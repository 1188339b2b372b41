namespace PeftCore.Tensors;

/// <summary>A reference-counted block of device memory, shared by tensors and freed at the last release.</summary>
internal class Storage
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

    /// <summary>Whether another object owns the memory.</summary>
    internal virtual bool IsExternal => false;

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
            OnFreed();
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

    /// <summary>Called after the last release.</summary>
    private protected virtual void OnFreed() { }
}

/// <summary>Memory that another object owns and the ledger does not count: a slice of another storage, or of a file's memory map.</summary>
/// <param name="device">The device that can read the memory.</param>
/// <param name="address">Address of the first byte.</param>
/// <param name="bytes">Bytes.</param>
/// <param name="kind">The accounting category.</param>
/// <param name="releaseOwner">Called at the last release, so that the owner may free the memory.</param>
internal sealed class ExternalStorage(IDevice device, nint address, long bytes, MemoryKind kind, Action releaseOwner)
    : Storage(device, address, bytes, reserved: 0, kind)
{
    internal override bool IsExternal => true;

    private protected override void OnFreed() => releaseOwner();
}

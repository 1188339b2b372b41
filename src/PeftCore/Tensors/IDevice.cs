namespace PeftCore.Tensors;

/// <summary>A place where tensors live. What can be computed there is <c>PeftCore.Backends.IBackend</c>.</summary>
public interface IDevice
{
    /// <summary>Short name, such as "cpu" or "cuda:0".</summary>
    string Name { get; }

    /// <summary>The books of this device's memory.</summary>
    MemoryLedger Memory { get; }

    /// <summary>Bytes that the device takes for itself, once, when products first need them: its books count them, a plan made without it
    /// does not.</summary>
    long OwnBytes => 0;

    /// <summary>Takes memory for a storage of the given size. Contents are undefined.</summary>
    /// <exception cref="InsufficientMemoryException">There is not enough memory; the message says how much was asked and used.</exception>
    Storage Allocate(long bytes, MemoryKind kind);

    /// <summary>Gives a storage's memory back. Called by the storage itself when its last reference is dropped.</summary>
    void Free(Storage storage);
}

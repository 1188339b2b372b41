namespace PeftCore.Tensors;

/// <summary>A device that allocates the memory of tensors. Its computations are <c>PeftCore.Backends.Backend</c>.</summary>
internal interface IDevice
{
    /// <summary>Short name, such as "cpu" or "cuda:0".</summary>
    string Name { get; }

    /// <summary>Number of the device in the order in which this process opened devices, from 1; tells two of one name apart.</summary>
    int Number { get; }

    /// <summary>The accounting of this device's memory.</summary>
    MemoryLedger Memory { get; }

    /// <summary>Bytes that the device allocates once for its own buffers, at the first matrix product. <see cref="Memory"/> counts them, a
    /// plan does not.</summary>
    long OwnBytes => 0;

    /// <summary>Whether the device was disposed, so that the memory of its tensors is gone.</summary>
    bool IsDisposed { get; }

    /// <summary>Allocates a storage. Its contents are undefined.</summary>
    /// <exception cref="InsufficientMemoryException">There is not enough memory; the message gives the requested and the used
    /// bytes.</exception>
    Storage Allocate(long bytes, MemoryKind kind);

    /// <summary>Frees the memory of a storage, which calls this at its last release.</summary>
    void Free(Storage storage);
}

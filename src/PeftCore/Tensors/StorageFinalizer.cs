namespace PeftCore.Tensors;

/// <summary>Releases the storage of a tensor that was garbage-collected without being disposed. Only a tensor that no scope frees has one:
/// an object with a finalizer is costly to create, and a token of generation creates some hundred tensors.</summary>
internal sealed class StorageFinalizer(Storage storage)
{
    /// <summary>Releases the storage.</summary>
    ~StorageFinalizer() => storage.Release();
}

using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>A tensor that recorded work reads or leaves behind: the same handle on the same memory each time it is taken.</summary>
internal sealed class StaticTensor(Tensor tensor)
{
    private readonly Storage _storage = tensor.Storage;
    private readonly MemoryKind _kind = tensor.Storage.Kind;

    /// <summary>The handle; alive from when its memory was taken until it is disposed.</summary>
    public Tensor Tensor => tensor;

    /// <summary>Takes its memory again; false if some of it is in use.</summary>
    public bool TryTake(Arena arena)
    {
        if (!arena.TryAllocateAt(_storage.Address, _storage.Bytes))
        {
            return false;
        }
        _storage.Reactivate(_kind);
        tensor.Reactivate(_storage);
        return true;
    }

    /// <summary>Takes the memory of several; of none if some of it is in use.</summary>
    public static bool TryTake(ReadOnlySpan<StaticTensor> tensors, Arena arena)
    {
        for (int i = 0; i < tensors.Length; i++)
        {
            if (!tensors[i].TryTake(arena))
            {
                Free(tensors[..i]);
                return false;
            }
        }
        return true;
    }

    /// <summary>Gives the memory of several back.</summary>
    public static void Free(ReadOnlySpan<StaticTensor> tensors)
    {
        foreach (var placed in tensors)
        {
            placed.Tensor.Dispose();
        }
    }
}

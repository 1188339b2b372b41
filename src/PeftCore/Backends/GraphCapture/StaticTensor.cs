using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>An input or output of a captured graph: the same tensor at the same address in every replay.</summary>
internal sealed class StaticTensor(Tensor tensor)
{
    private readonly Storage _storage = tensor.Storage;
    private readonly MemoryKind _kind = tensor.Storage.Kind;

    /// <summary>The tensor. It is usable from <see cref="TryTake(Arena)"/> until it is disposed.</summary>
    public Tensor Tensor => tensor;

    /// <summary>Allocates the tensor's memory at its address again. Returns false if some of it is in use.</summary>
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

    /// <summary>Allocates the memory of several tensors; of none if some of it is in use.</summary>
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

    /// <summary>Frees the memory of several tensors.</summary>
    public static void Free(ReadOnlySpan<StaticTensor> tensors)
    {
        foreach (var placed in tensors)
        {
            placed.Tensor.Dispose();
        }
    }
}

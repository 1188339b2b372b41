using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Keys and values of the tokens generated so far, one pair a layer, so that a new token costs one row.</summary>
public sealed class KvCache : IDisposable
{
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;

    /// <summary>Takes memory for sequences of at most <paramref name="capacity"/> tokens.</summary>
    public KvCache(IBackend backend, int layers, int capacity, int columns)
    {
        Capacity = capacity;
        _keys = new Tensor[layers];
        _values = new Tensor[layers];
        for (int i = 0; i < layers; i++)
        {
            _keys[i] = backend.Zeros([1, capacity, columns], backend.ActivationDType, MemoryKind.Cache).Keep();
            _values[i] = backend.Zeros([1, capacity, columns], backend.ActivationDType, MemoryKind.Cache).Keep();
        }
    }

    /// <summary>Most tokens it can hold.</summary>
    public int Capacity { get; }

    /// <summary>Tokens it holds.</summary>
    public int Length { get; private set; }

    /// <summary>Forgets all tokens.</summary>
    public void Clear() => Length = 0;

    /// <summary>Forgets all tokens but the first ones, to go on from there in another way.</summary>
    internal void Truncate(int length) => Length = Math.Min(Length, length);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _keys.Concat(_values))
        {
            tensor.Dispose();
        }
    }

    /// <summary>Writes a layer's new keys and values behind the old ones and returns all of them, at full capacity.</summary>
    internal (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        int count = keys.Shape[1];
        if (Length + count > Capacity)
        {
            throw new InvalidOperationException($"a cache for {Capacity} tokens cannot take {count} more after {Length}");
        }
        Write(_keys[layer], keys);
        Write(_values[layer], values);
        return (_keys[layer], _values[layer]);
    }

    /// <summary>Counts tokens whose keys every layer has written.</summary>
    internal void Advance(int count) => Length += count;

    private void Write(Tensor cache, Tensor rows) =>
        rows.Backend.Copy(rows, cache.View(rows.Shape, (long)Length * cache.Shape.Columns));
}

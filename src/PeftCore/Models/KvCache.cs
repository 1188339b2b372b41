using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The keys and values of earlier tokens, one pair of tensors per layer, so that a new token computes one row. Sequences that are
/// added one by one may have different lengths.</summary>
internal sealed class KvCache : IDisposable
{
    private readonly Tensor[] _keys;
    private readonly Tensor[] _values;
    private readonly int _batch;
    private readonly int[] _lengths; // (batch)

    /// <summary>Allocates memory for sequences of at most <paramref name="capacity"/> tokens: 2·layers·batch·capacity·columns
    /// elements.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="capacity">Maximum tokens of a sequence.</param>
    /// <param name="columns">Key heads times head dim.</param>
    /// <param name="batch">Sequences, all of one length.</param>
    /// <param name="dtype">F32, or BF16, which halves the bytes and rounds keys and values once; null for the backend's dtype of
    /// activations.</param>
    /// <param name="valueColumns">Columns of the values if they differ; 0 if not.</param>
    /// <exception cref="BadInputException">The dtype is neither.</exception>
    public KvCache(Backend backend, int layers, int capacity, int columns, int batch = 1, DType? dtype = null,
        int valueColumns = 0)
    {
        DType = dtype ?? backend.ActivationDType;
        CheckDType(DType);
        (Capacity, Sequences, _batch) = (capacity, batch, batch);
        _keys = new Tensor[layers];
        _values = new Tensor[layers];
        for (int i = 0; i < layers; i++)
        {
            _keys[i] = backend.Zeros([batch, capacity, columns], DType, MemoryKind.Cache).Keep();
            _values[i] = backend.Zeros([batch, capacity, valueColumns > 0 ? valueColumns : columns], DType, MemoryKind.Cache).Keep();
        }
        // After the device's memory, whose refusal says what to do.
        _lengths = new int[batch];
        Recurrent = new RecurrentCache(batch);
    }

    /// <summary>Dtype of keys and values; attention converts them to F32.</summary>
    public DType DType { get; }

    /// <summary>Maximum tokens of a sequence.</summary>
    public int Capacity { get; }

    /// <summary>Sequences in use, the first ones of those that memory was allocated for.</summary>
    public int Sequences { get; private set; }

    /// <summary>Tokens of a sequence so far, those of the longest.</summary>
    public int Length { get; private set; }

    /// <summary>States of layers of linear attention.</summary>
    public RecurrentCache Recurrent { get; }

    /// <summary>Bytes of all keys, values and states.</summary>
    public long Bytes => _keys.Concat(_values).Sum(tensor => tensor.ByteCount) + Recurrent.Bytes;

    /// <summary>Removes all tokens.</summary>
    public void Clear() => SetLength(0);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in _keys.Concat(_values))
        {
            tensor.Dispose();
        }
        Recurrent.Dispose();
    }

    internal static void CheckDType(DType dtype)
    {
        if (dtype is not (DType.F32 or DType.BF16))
        {
            throw new BadInputException($"kv_cache_dtype is {dtype}, expected F32 or BF16");
        }
    }

    /// <summary>Keeps only the first tokens, so that another continuation can follow.</summary>
    /// <returns>The tokens that are left: none if there are states, which cannot forget the last tokens alone.</returns>
    internal int Truncate(int length) => length >= Length ? Length : SetLength(Recurrent.IsUsed ? 0 : length);

    /// <summary>Tokens of one sequence so far.</summary>
    internal int LengthOf(int sequence) => _lengths[sequence];

    /// <summary>Removes all sequences, so that others can be added.</summary>
    internal void RemoveAll()
    {
        SetLength(0);
        Sequences = 0;
    }

    /// <summary>Adds a copy of another cache's only sequence as the last one.</summary>
    internal void Add(KvCache other)
    {
        int row = Sequences++;
        for (int i = 0; i < _keys.Length; i++)
        {
            Copy(other._keys[i], _keys[i]);
            Copy(other._values[i], _values[i]);
        }
        Recurrent.Add(other.Recurrent, row);
        SetLength(row, other.Length);

        void Copy(Tensor from, Tensor to)
        {
            int columns = from.Shape.Columns;
            using var source = from.Unscoped([other.Length, columns], 0);
            using var target = to.Unscoped([other.Length, columns], (long)row * Capacity * columns);
            from.Backend.Copy(source, target);
        }
    }

    /// <summary>Removes a sequence; the last one takes its place.</summary>
    internal void Remove(int row)
    {
        int last = Sequences - 1;
        if (row != last)
        {
            List<RowMove> move = [new RowMove(last, row)];
            foreach (var tensor in _keys.Concat(_values))
            {
                Move(tensor, move, _lengths[last]);
            }
            Recurrent.Move(move);
        }
        SetLength(row, _lengths[last]);
        Sequences = last;
        SetLength(last, 0);
    }

    /// <summary>Replaces the sequences: sequence i becomes a copy of the present sequence <c>rows[i]</c>. Only the used part of those that
    /// change is copied, on the device.</summary>
    internal void Reorder(ReadOnlySpan<int> rows)
    {
        if (rows.IsEmpty || rows.Length > _batch || rows.ContainsAnyExceptInRange(0, Sequences - 1))
        {
            throw new ArgumentException($"{rows.Length} rows of {Sequences} sequences do not fit a cache for {_batch}", nameof(rows));
        }
        var moves = RowMoves.Gather(rows);
        int[] lengths = [.. _lengths];
        for (int i = 0; i < rows.Length; i++)
        {
            _lengths[i] = lengths[rows[i]];
        }
        Sequences = rows.Length;
        if (Length == 0 || moves.Count == 0)
        {
            return;
        }
        foreach (var tensor in _keys.Concat(_values))
        {
            Move(tensor, moves, Length);
        }
        Recurrent.Move(moves);
    }

    /// <summary>Appends a layer's new keys and values and returns the tensors of all, (sequences, capacity, columns).</summary>
    internal (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values)
    {
        int count = keys.Shape[1];
        if (Length + count > Capacity)
        {
            throw new InvalidOperationException($"a cache for {Capacity} tokens cannot take {count} more after {Length}");
        }
        Write(_keys[layer], keys);
        Write(_values[layer], values);
        return (InUse(_keys[layer]), InUse(_values[layer]));
    }

    /// <summary>A layer's keys and values, (sequences, capacity, columns).</summary>
    internal (Tensor Keys, Tensor Values) Read(int layer) => (InUse(_keys[layer]), InUse(_values[layer]));

    /// <summary>Advances the length by tokens whose keys every layer has appended.</summary>
    internal void Advance(int count)
    {
        for (int i = 0; i < _lengths.Length; i++)
        {
            _lengths[i] += count;
        }
        Length += count;
    }

    private int SetLength(int length)
    {
        Array.Fill(_lengths, length);
        return Length = length;
    }

    private void SetLength(int sequence, int length)
    {
        _lengths[sequence] = length;
        Length = Sequences == 0 ? 0 : _lengths.AsSpan(0, Sequences).ToArray().Max();
    }

    private Tensor InUse(Tensor cache) => Sequences == _batch ? cache : cache.View([Sequences, Capacity, cache.Shape.Columns]);

    private void Move(Tensor cache, List<RowMove> moves, int tokens)
    {
        using var scope = new TensorScope();
        var backend = cache.Backend;
        int columns = cache.Shape.Columns;
        Tensor? spare = null;
        foreach (var (from, to) in moves)
        {
            backend.Copy(Row(from), Row(to));
        }

        Tensor Row(int row) => row == RowMoves.Spare
            ? spare ??= backend.NewTensor([tokens, columns], DType, MemoryKind.Workspace)
            : cache.View([tokens, columns], (long)row * Capacity * columns);
    }

    private void Write(Tensor cache, Tensor rows)
    {
        int count = rows.Shape[1], columns = rows.Shape.Columns;
        for (int b = 0; b < rows.Shape[0]; b++)
        {
            using var from = rows.Unscoped([count, columns], (long)b * count * columns);
            using var to = cache.Unscoped([count, columns], ((long)b * Capacity + _lengths[b]) * columns);
            rows.Backend.Cast(from, to);
        }
    }
}

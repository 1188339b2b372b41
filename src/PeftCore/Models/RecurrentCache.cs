using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The states of layers of linear attention after the tokens so far, beside the keys and values of the others: the state of the
/// delta rule, and the last inputs of the causal convolution. A sequence's first token, which has position 0, ignores them.</summary>
internal sealed class RecurrentCache(int batch) : IDisposable
{
    private readonly Dictionary<int, Tensor> _states = [];
    private readonly Dictionary<int, Tensor> _histories = [];

    /// <summary>Whether there are states, so that tokens cannot be taken back.</summary>
    public bool IsUsed => _states.Count + _histories.Count > 0;

    /// <summary>Bytes of all states.</summary>
    public long Bytes => All.Sum(tensor => tensor.ByteCount);

    private IEnumerable<Tensor> All => _states.Values.Concat(_histories.Values);

    /// <summary>F32 (sequences, value heads, dk, dv): the state of a block, which its op replaces; of the first sequences, if not all are
    /// in use.</summary>
    public Tensor State(Backend backend, int block, DeltaNetSpec spec, int sequences) =>
        Of(_states, backend, block, [batch, spec.ValueHeads, spec.KeyDim, spec.ValueDim])
            .View([sequences, spec.ValueHeads, spec.KeyDim, spec.ValueDim]);

    /// <summary>The last rows before these, and these; the last of both are kept for the next call.</summary>
    /// <param name="block">Number of the block.</param>
    /// <param name="rows">(sequences, length, columns)</param>
    /// <param name="before">Rows that are kept.</param>
    /// <returns>(sequences, before + length, columns)</returns>
    public Tensor Join(int block, Tensor rows, int before)
    {
        int sequences = rows.Shape[0], length = rows.Shape[1], columns = rows.Shape.Columns;
        var history = Of(_histories, rows.Backend, block, [batch, before, columns]);
        var joined = rows.NewLike([sequences, before + length, columns]);
        for (int b = 0; b < sequences; b++)
        {
            using var kept = history.Unscoped([before, columns], (long)b * before * columns);
            using var first = joined.Unscoped([before, columns], (long)b * (before + length) * columns);
            using var rest = joined.Unscoped([length, columns], ((long)b * (before + length) + before) * columns);
            using var own = rows.Unscoped([length, columns], (long)b * length * columns);
            using var last = joined.Unscoped([before, columns], ((long)b * (before + length) + length) * columns);
            rows.Backend.Cast(kept, first);
            rows.Backend.Copy(own, rest);
            rows.Backend.Cast(last, kept);
        }
        return joined;
    }

    /// <summary>Copies the states of another cache's only sequence.</summary>
    public void Add(RecurrentCache other, int row)
    {
        Add(other._states, _states);
        Add(other._histories, _histories);

        void Add(Dictionary<int, Tensor> from, Dictionary<int, Tensor> to)
        {
            foreach (var (block, source) in from)
            {
                using var target = Of(to, source.Backend, block, ShapeOf(source)).Unscoped([(int)source.Count], row * source.Count);
                using var whole = source.Unscoped([(int)source.Count], 0);
                source.Backend.Copy(whole, target);
            }
        }
    }

    /// <summary>Copies the states of sequences to the places of others.</summary>
    public void Move(IReadOnlyList<RowMove> moves)
    {
        foreach (var tensor in All)
        {
            using var scope = new TensorScope();
            int count = (int)(tensor.Count / batch);
            Tensor? spare = null;
            foreach (var (from, to) in moves)
            {
                tensor.Backend.Copy(Row(from), Row(to));
            }

            Tensor Row(int row) => row == RowMoves.Spare
                ? spare ??= tensor.Backend.NewTensor([count], DType.F32, MemoryKind.Workspace)
                : tensor.View([count], (long)row * count);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in All)
        {
            tensor.Dispose();
        }
    }

    private Shape ShapeOf(Tensor one)
    {
        Span<int> extents = stackalloc int[one.Shape.Rank];
        one.Shape.CopyTo(extents);
        extents[0] = batch;
        return Shape.Of(extents);
    }

    private static Tensor Of(Dictionary<int, Tensor> tensors, Backend backend, int block, Shape shape)
    {
        if (!tensors.TryGetValue(block, out var tensor))
        {
            tensors.Add(block, tensor = backend.Zeros(shape, DType.F32, MemoryKind.Cache).Keep());
        }
        return tensor;
    }
}

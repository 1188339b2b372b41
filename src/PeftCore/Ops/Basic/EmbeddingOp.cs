using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y[i, :] = table[ids[i], :];  dtable[ids[i], :] += dy[i, :]. Saves the ids, and only if the table's gradient is
/// needed.</summary>
public static class EmbeddingOp
{
    extension(Tensor table)
    {
        /// <summary>Gathers rows. The table may be any computed matrix.</summary>
        /// <param name="ids">Row numbers in [0, rows), which may repeat.</param>
        /// <returns>(ids, columns)</returns>
        public Tensor Rows(params ReadOnlySpan<int> ids)
        {
            ArgumentNullException.ThrowIfNull(table);
            int rows = table.Shape.Rank == 0 ? 0 : table.Shape[0];
            foreach (int id in ids)
            {
                if ((uint)id >= (uint)rows)
                {
                    throw new ShapeException("rows", $"there is no row {id} in {table}");
                }
            }
            using var scope = new TensorScope();
            return scope.Return(table.Rows(table.Backend.From(ids, [ids.Length])));
        }

        /// <summary>Gathers rows. The table may be any computed matrix.</summary>
        /// <param name="ids">I32 of any shape; each in [0, rows).</param>
        /// <returns>(ids' shape…, columns)</returns>
        public Tensor Rows(Tensor ids) => table.Rows(ids, constantRow: null);

        /// <summary>Gathers rows, one of which is a constant: its gradient is zero, as that of PyTorch's padding_idx.</summary>
        /// <param name="ids">I32 of any shape; each in [0, rows).</param>
        /// <param name="constantRow">The row without a gradient; null for none.</param>
        internal Tensor Rows(Tensor ids, int? constantRow)
        {
            ArgumentNullException.ThrowIfNull(table);
            Check.Int32("rows", "ids", ids);
            Check.OneDevice("rows", table, ids);
            if (table.Shape.Rank != 2 || !table.DType.IsFloat)
            {
                throw new ShapeException("rows", $"needs a (rows, columns) table of floating-point numbers, got {table}");
            }
            Span<int> extents = stackalloc int[ids.Shape.Rank + 1];
            ids.Shape.CopyTo(extents);
            extents[^1] = table.Shape.Columns;
            // The result is an activation, whatever the dtype of the table.
            bool parameter = table.Storage.Kind is MemoryKind.Frozen or MemoryKind.Trainable;
            var y = table.NewLike(Shape.Of(extents), parameter ? table.Backend.ActivationDType : null);
            table.Backend.Gather(ids, table, y);
            Tape.Record(() => new Node(ids, table.Shape, constantRow), [table], [y]);
            return y;
        }
    }

    /// <summary>y[i, :] = table[ids[i], :];  dtable[ids[i], :] += dy[i, :], but for the constant row.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _ids;
        private readonly int? _constantRow;

        public Node(Tensor ids, Shape table, int? constantRow) : base("rows")
        {
            _ids = Save("ids", ids, "dtable[ids[i], :] += dy[i, :]");
            _constantRow = constantRow;
            Table = table;
        }

        private Shape Table { get; }

        protected internal override void Backward(BackwardContext context)
        {
            var dTable = context.GradInput(0, out bool accumulate)!;
            if (!accumulate)
            {
                dTable.Backend.Zero(dTable);
            }
            var table = dTable.View(Table);
            if (_constantRow is not { } constant)
            {
                dTable.Backend.ScatterAdd(_ids, context.GradOutput(), table);
                return;
            }
            // The row may have a gradient from elsewhere, such as a head that shares the table.
            using var scope = new TensorScope();
            var row = table.View([1, Table.Columns], (long)constant * Table.Columns);
            var before = row.NewLike(row.Shape, row.DType, MemoryKind.Workspace);
            row.Backend.Copy(row, before);
            dTable.Backend.ScatterAdd(_ids, context.GradOutput(), table);
            row.Backend.Copy(before, row);
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Broadcasts of a vector over the rows: y = x·v and y = x + v.</summary>
public static class RowOps
{
    extension(Tensor x)
    {
        /// <summary>y[r, c] = x[r, c]·row[c]. Saves x only if the row requires a gradient (IA³, DoRA's magnitude).</summary>
        public Tensor MultiplyRow(Tensor row)
        {
            Check.Activation("multiply row", "x", x);
            Check.Float32("multiply row", "row", row);
            Check.OneDevice("multiply row", x, row);
            Check.Vector("multiply row", "row", row, x.Shape.Columns);
            var y = x.NewLike(x.Shape);
            x.Backend.MultiplyRow(x, row, y, false);
            Tape.Record(() => new MultiplyNode(x, row), [x, row], [y]);
            return y;
        }

        /// <summary>y[r, c] = x[r, c]·column[r].</summary>
        internal Tensor MultiplyColumn(Tensor column)
        {
            Check.Activation("multiply column", "x", x);
            Check.OneDevice("multiply column", x, column);
            Check.Float32("multiply column", "column", column);
            Check.Vector("multiply column", "column", column, x.Shape.Rows);
            var y = x.NewLike(x.Shape);
            x.Backend.MultiplyColumn(x, column, y, false);
            Tape.Record(() => new ColumnNode(x, column), [x, column], [y]);
            return y;
        }

        /// <summary>y[r, c] = x[r, c] + row[c]. Saves nothing.</summary>
        public Tensor AddRow(Tensor row)
        {
            ArgumentNullException.ThrowIfNull(row);
            Check.Activation("add row", "x", x);
            Check.OneDevice("add row", x, row);
            Check.Weights("add row", "row", row, x.Shape.Columns);
            var y = x.NewLike(x.Shape);
            x.Backend.Copy(x, y);
            x.Backend.AddRow(y, row);
            Tape.Record(() => new AddNode(), [x, row], [y]);
            return y;
        }
    }

    /// <summary>y[r, c] = x[r, c]·row[c];  dx[r, c] = dy[r, c]·row[c], drow[c] = Σ_r dy[r, c]·x[r, c].</summary>
    private sealed class MultiplyNode : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor? _row;

        public MultiplyNode(Tensor x, Tensor row) : base("multiply_row")
        {
            _x = SaveIf(row.RequiresGrad, "x", x, "drow[c] = Σ_r dy[r, c]·x[r, c]");
            _row = SaveIf(x.RequiresGrad, "row", row, "dx[r, c] = dy[r, c]·row[c]");
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                dy.Backend.MultiplyRow(dy, _row!, dx, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dRow)
            {
                dy.Backend.MultiplySumRows(dy, _x!, dRow, accumulate);
            }
        }
    }

    /// <summary>y[r, c] = x[r, c]·column[r];  dx[r, c] = dy[r, c]·column[r], dcolumn[r] = Σ_c dy[r, c]·x[r, c].</summary>
    private sealed class ColumnNode : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor? _column;

        public ColumnNode(Tensor x, Tensor column) : base("multiply_column")
        {
            _x = SaveIf(column.RequiresGrad, "x", x, "dcolumn[r] = Σ_c dy[r, c]·x[r, c]");
            _column = SaveIf(x.RequiresGrad, "column", column, "dx[r, c] = dy[r, c]·column[r]");
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                dy.Backend.MultiplyColumn(dy, _column!, dx, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dColumn)
            {
                dy.Backend.RowDots(dy, _x!, dColumn, accumulate);
            }
        }
    }

    /// <summary>y[r, c] = x[r, c] + row[c];  dx = dy, drow[c] = Σ_r dy[r, c].</summary>
    private sealed class AddNode() : GradientNode("add_row")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            context.PropagateGrad(0, dy);
            if (context.GradInput(1, out bool accumulate) is { } dRow)
            {
                dy.Backend.SumRows(dy, dRow, accumulate);
            }
        }
    }
}

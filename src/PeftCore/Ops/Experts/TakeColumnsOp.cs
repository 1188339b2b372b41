using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Elements of each row at chosen columns, such as the scores of a token's experts; and the dense row of such elements.</summary>
internal static class TakeColumnsOp
{
    extension(Tensor x)
    {
        /// <summary>y[r, j] = x[r, chosen[r, j]].</summary>
        /// <param name="chosen">I32 (rows, k); the columns of a row differ.</param>
        public Tensor TakeColumns(Tensor chosen)
        {
            CheckRows("take columns", x, chosen);
            var y = x.NewLike(chosen.Shape);
            x.Backend.TakeColumns(x, chosen, y);
            Tape.Record(() => new TakeNode(chosen), [x], [y]);
            return y;
        }

        /// <summary>y[r, chosen[r, j]] = x[r, j], and zero elsewhere.</summary>
        /// <param name="chosen">I32 (rows, k); the columns of a row differ.</param>
        /// <param name="columns">Columns of y.</param>
        public Tensor PutColumns(Tensor chosen, int columns)
        {
            CheckRows("put columns", x, chosen);
            var y = x.NewLike(x.Shape.WithColumns(columns));
            x.Backend.TakeColumnsGradient(x, chosen, y, false);
            Tape.Record(() => new PutNode(chosen), [x], [y]);
            return y;
        }
    }

    private static void CheckRows(string op, Tensor x, Tensor chosen)
    {
        Check.Float32(op, "x", x);
        Check.Int32(op, "chosen", chosen);
        Check.OneDevice(op, x, chosen);
        if (chosen.Shape.Rank != 2 || x.Shape.Rank != 2 || chosen.Shape[0] != x.Shape[0])
        {
            throw new ShapeException(op, $"needs columns for each row of {x.Shape}, got {chosen.Shape}");
        }
    }

    /// <summary>y[r, j] = x[r, c(r, j)];  dx[r, c(r, j)] = dy[r, j], zero elsewhere.</summary>
    private sealed class TakeNode : GradientNode
    {
        private readonly Tensor _chosen;

        public TakeNode(Tensor chosen) : base("take_columns") =>
            _chosen = Save("chosen", chosen, "dx[r, c(r, j)] = dy[r, j]");

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.TakeColumnsGradient(context.GradOutput(), _chosen, dx, accumulate);
        }
    }

    /// <summary>y[r, c(r, j)] = x[r, j], zero elsewhere;  dx[r, j] = dy[r, c(r, j)].</summary>
    private sealed class PutNode : GradientNode
    {
        private readonly Tensor _chosen;

        public PutNode(Tensor chosen) : base("put_columns") =>
            _chosen = Save("chosen", chosen, "dx[r, j] = dy[r, c(r, j)]");

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            using var scope = new TensorScope();
            var taken = accumulate ? dx.NewLike(dx.Shape) : dx;
            dx.Backend.TakeColumns(context.GradOutput(), _chosen, taken);
            if (accumulate)
            {
                dx.Backend.Add(dx, taken, dx);
            }
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Receives the gradient of a frozen weight, a few rows at a time.</summary>
internal interface IWeightGradientObserver
{
    /// <summary>Called for each piece of the gradient of one pass, in order; the piece is freed afterwards.</summary>
    /// <param name="piece">Whole rows of the weight's gradient, F32.</param>
    /// <param name="firstElement">Index of the piece's first element in the weight.</param>
    void See(Tensor piece, long firstElement);
}

/// <summary>y = x·Wᵀ + b with a frozen W, whose gradient is passed to an observer. It is computed some rows at a time and never as a whole.
/// Saves x.</summary>
internal static class ObservedLinearOp
{
    /// <summary>Approximate elements of a piece.</summary>
    private const int PieceElements = 1 << 18;

    extension(Tensor x)
    {
        /// <summary>y = x·Wᵀ + b over the innermost axis; backward passes the gradient of W to the observer.</summary>
        /// <param name="weight">(out, in), or (in, out) when transposed; frozen.</param>
        /// <param name="bias">(out), frozen, or null.</param>
        /// <param name="transposed">Whether the weight is stored (in, out).</param>
        /// <param name="probe">A tensor that requires a gradient while one of W is needed, so that the op is recorded; it receives none
        /// here.</param>
        /// <param name="observer">The observer.</param>
        internal Tensor ObservedLinear(Tensor weight, Tensor? bias, bool transposed, Tensor probe, IWeightGradientObserver observer)
        {
            int outputs = LinearOp.OutputsOf(x, weight, bias, transposed);
            var y = x.NewLike(x.Shape.WithColumns(outputs));
            x.Backend.Product(new GemmOperands(x, false, weight, !transposed), y, bias);
            Tape.Record(() => new Node(x, weight, transposed, probe, observer), [x, probe], [y]);
            return y;
        }
    }

    /// <summary>y = x·Wᵀ + b with a frozen W;  dx = dy·W, and an observer gets dW = dyᵀ·x some rows at a time.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor _weight;
        private readonly bool _transposed;
        private readonly IWeightGradientObserver _observer;

        public Node(Tensor x, Tensor weight, bool transposed, Tensor probe, IWeightGradientObserver observer) : base("observed_linear")
        {
            _x = SaveIf(probe.RequiresGrad, "x", x, "dW = dyᵀ·x");
            _weight = SaveWeight(weight);
            (_transposed, _observer) = (transposed, observer);
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                dy.Backend.Product(new GemmOperands(dy, false, _weight, _transposed), dx, accumulate: accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dWanted)
            {
                if (!accumulate)
                {
                    dWanted.Backend.Zero(dWanted);
                }
                Pass(_transposed ? _x! : dy, _transposed ? dy : _x!);
            }
        }

        /// <summary>rowsᵀ·columns is the gradient in the weight's own layout.</summary>
        private void Pass(Tensor rows, Tensor columns)
        {
            int extent = rows.Shape.Columns, width = columns.Shape.Columns, at = Math.Max(1, PieceElements / Math.Max(1, width));
            for (int first = 0; first < extent; first += at)
            {
                using var scope = new TensorScope();
                int count = Math.Min(at, extent - first);
                var some = rows.NewLike([rows.Shape.Rows, count], rows.DType, MemoryKind.Workspace);
                rows.Backend.CopyColumns(rows, first, some, 0, count, false);
                var piece = rows.NewLike([count, width], DType.F32, MemoryKind.Workspace);
                rows.Backend.MatMul(some, true, columns, false, piece);
                _observer.See(piece, (long)first * width);
            }
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Sees the gradient of a weight that does not train, a piece at a time.</summary>
internal interface IWeightGradientObserver
{
    /// <summary>Called for each piece of the gradient of one pass, in order; the piece is gone afterwards.</summary>
    /// <param name="piece">Some whole rows of the weight's gradient, F32.</param>
    /// <param name="firstElement">Where the piece begins in the weight.</param>
    void See(Tensor piece, long firstElement);
}

/// <summary>y = x·Wᵀ + b with a frozen W, whose gradient somebody wants to look at. It is formed some rows at a time and never as a whole.
/// Saves x for that.</summary>
internal static class ObservedLinearOp
{
    /// <summary>Elements of a piece, about.</summary>
    private const int PieceElements = 1 << 18;

    extension(Tensor x)
    {
        /// <summary>Applies an affine map to the innermost axis, and shows the gradient of its weight in backward.</summary>
        /// <param name="weight">(out, in), or (in, out) when transposed; frozen.</param>
        /// <param name="bias">(out), frozen, or null.</param>
        /// <param name="transposed">The weight is stored (in, out).</param>
        /// <param name="wanted">Any tensor that trains while the gradient is wanted; it gets none from here.</param>
        /// <param name="observer">Who looks.</param>
        internal Tensor ObservedLinear(Tensor weight, Tensor? bias, bool transposed, Tensor wanted, IWeightGradientObserver observer)
        {
            int outputs = LinearOp.OutputsOf(x, weight, bias, transposed);
            var y = x.NewLike(x.Shape.WithColumns(outputs));
            x.Backend.MatMul(x, false, weight, !transposed, y);
            if (bias is not null)
            {
                x.Backend.AddRow(y, bias);
            }
            Tape.Record(() => new Node(x, weight, transposed, wanted, observer), [x, wanted], [y]);
            return y;
        }
    }

    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor _weight;
        private readonly bool _transposed;
        private readonly IWeightGradientObserver _observer;

        public Node(Tensor x, Tensor weight, bool transposed, Tensor wanted, IWeightGradientObserver observer) : base("observed_linear")
        {
            _x = SaveIf(wanted.RequiresGrad, "x", x);
            _weight = SaveWeight(weight);
            (_transposed, _observer) = (transposed, observer);
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                dy.Backend.MatMul(dy, false, _weight, _transposed, dx, 1, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dWanted)
            {
                if (!accumulate)
                {
                    dWanted.Backend.Zero(dWanted);
                }
                Show(_transposed ? _x! : dy, _transposed ? dy : _x!);
            }
        }

        /// <summary>rowsᵀ·columns is the gradient in the weight's own layout.</summary>
        private void Show(Tensor rows, Tensor columns)
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

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Distance of rows from orthonormal: ‖A·Aᵀ − I‖ in the Frobenius norm; dA = 2·(A·Aᵀ − I)·A/‖A·Aᵀ − I‖ (Zhang et al. 2023,
/// AdaLoRA, equation 4).</summary>
internal static class OrthogonalityOp
{
    extension(Tensor a)
    {
        /// <summary>The distance of the rows of an (r, n) matrix, or of its columns.</summary>
        /// <param name="ofColumns">Whether to use Aᵀ·A instead.</param>
        internal Tensor Orthogonality(bool ofColumns = false)
        {
            Check.Float32("orthogonality", "a", a);
            int r = ofColumns ? a.Shape.Columns : a.Shape.Rows;
            using var scope = new TensorScope();
            var gram = Constants.Identity(a.Backend, r, -1);
            a.Backend.MatMul(a, ofColumns, a, !ofColumns, gram, 1, accumulate: true);
            var squares = a.NewLike([1]);
            a.Backend.RowDots(gram.View([1, r * r]), gram.View([1, r * r]), squares, false);
            var inverse = a.NewLike([1]);
            a.Backend.Map<InverseSqrt>(squares, inverse);
            var norm = a.NewLike([1]);
            a.Backend.Multiply(squares, inverse, norm, false);
            Tape.Record(() => new Node(a, gram, inverse, ofColumns), [a], [norm]);
            return scope.Return(norm);
        }
    }

    /// <summary>y = ‖A·Aᵀ − I‖;  dA = dy·2·(A·Aᵀ − I)·A/y.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _a;
        private readonly Tensor _gram;
        private readonly Tensor _inverse;
        private readonly bool _ofColumns;

        public Node(Tensor a, Tensor gram, Tensor inverse, bool ofColumns) : base("orthogonality")
        {
            (_a, _ofColumns) = (SaveWeight(a), ofColumns);
            _gram = Save("gram", gram, "dA = dy·2·(A·Aᵀ − I)·A/y");
            _inverse = Save("inverse", inverse, "dA = dy·2·(A·Aᵀ − I)·A/y");
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var backend = dy.Backend;
            using var scope = new TensorScope();
            var factor = dy.NewLike([1]);
            backend.Multiply(dy, _inverse, factor, false);
            var product = dy.NewLike(_a.Shape);
            if (_ofColumns)
            {
                backend.MatMul(_a, false, _gram, false, product, 2);
            }
            else
            {
                backend.MatMul(_gram, false, _a, false, product, 2);
            }
            var da = context.GradInput(0, out bool accumulate)!;
            backend.ScaleBy(product, factor, da, accumulate);
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>C = op(A)·op(B) of two matrices. Saves each factor only for the other's gradient.</summary>
public static class MatMulOp
{
    extension(Tensor a)
    {
        /// <summary>Multiplies matrices; leading axes count as rows.</summary>
        /// <param name="b">The right factor.</param>
        /// <param name="transposeA">Whether to use Aᵀ.</param>
        /// <param name="transposeB">Whether to use Bᵀ.</param>
        public Tensor MatMul(Tensor b, bool transposeA = false, bool transposeB = false)
        {
            ArgumentNullException.ThrowIfNull(a);
            ArgumentNullException.ThrowIfNull(b);
            Check.OneDevice("matmul", a, b);
            int m = transposeA ? a.Shape.Columns : a.Shape.Rows;
            int k = transposeA ? a.Shape.Rows : a.Shape.Columns;
            int n = transposeB ? b.Shape.Rows : b.Shape.Columns;
            int bk = transposeB ? b.Shape.Columns : b.Shape.Rows;
            if (!a.DType.IsFloat || !b.DType.IsFloat)
            {
                throw new ShapeException("matmul", $"multiplies floating-point numbers, got {a} and {b}");
            }
            if (k != bk)
            {
                throw new ShapeException("matmul", $"({m}, {k}) and ({bk}, {n}) do not multiply: {a}, {b}");
            }
            var c = a.NewLike([m, n], b.ResultDType == DType.BF16 ? DType.BF16 : null);
            a.Backend.MatMul(a, transposeA, b, transposeB, c);
            Tape.Record(() => new Node(a, transposeA, b, transposeB), [a, b], [c]);
            return c;
        }
    }

    /// <summary>C = op(A)·op(B), where op(X) is X or Xᵀ;  d op(A) = dC·op(B)ᵀ, d op(B) = op(A)ᵀ·dC.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _a;
        private readonly Tensor? _b;
        private readonly bool _transposeA;
        private readonly bool _transposeB;

        public Node(Tensor a, bool transposeA, Tensor b, bool transposeB) : base("matmul")
        {
            _a = SaveIf(b.RequiresGrad, "a", a, "d op(B) = op(A)ᵀ·dC");
            _b = SaveIf(a.RequiresGrad, "b", b, "d op(A) = dC·op(B)ᵀ");
            _transposeA = transposeA;
            _transposeB = transposeB;
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dc = context.GradOutput();
            var backend = dc.Backend;
            if (context.GradInput(0, out bool accumulate) is { } da)
            {
                if (_transposeA)
                {
                    backend.MatMul(_b!, _transposeB, dc, true, da, 1, accumulate);
                }
                else
                {
                    backend.MatMul(dc, false, _b!, !_transposeB, da, 1, accumulate);
                }
            }
            if (context.GradInput(1, out accumulate) is { } db)
            {
                if (_transposeB)
                {
                    backend.MatMul(dc, true, _a!, _transposeA, db, 1, accumulate);
                }
                else
                {
                    backend.MatMul(_a!, !_transposeA, dc, false, db, 1, accumulate);
                }
            }
        }
    }
}

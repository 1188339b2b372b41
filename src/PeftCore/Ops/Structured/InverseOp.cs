using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Y = X⁻¹ of small matrices; dX = −Yᵀ·dY·Yᵀ.</summary>
internal static class InverseOp
{
    extension(Tensor x)
    {
        /// <summary>Inverts each (b, b) matrix of (n, b, b), or one (b, b), with nonzero leading minors.</summary>
        internal Tensor Inverse()
        {
            Check.Float32("inverse", "x", x);
            if (x.Shape.Rank < 2 || x.Shape[^1] != x.Shape[^2])
            {
                throw new ShapeException("inverse", $"needs square matrices, got {x.Shape}");
            }
            var y = x.NewLike(x.Shape);
            x.Backend.InvertBlocks(x, y);
            Tape.Record(() => new Node(y), [x], [y]);
            return y;
        }
    }

    /// <summary>Y = X⁻¹;  dX = −Yᵀ·dY·Yᵀ.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _y;

        public Node(Tensor y) : base("inverse") => _y = Save("y", y, "dX = −Yᵀ·dY·Yᵀ");

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            int side = _y.Shape.Columns, n = side == 0 ? 0 : _y.Shape.Rows / side;
            var plain = new MatrixStrides(side * side, side, 1);
            using var scope = new TensorScope();
            var half = dy.NewLike(_y.Shape);
            dy.Backend.MatMulBatched(new BatchedProduct(n, side, side, side, plain.Transposed, plain, plain), _y, dy, half); // Yᵀ·dY
            var dx = context.GradInput(0, out bool accumulate)!;
            dy.Backend.MatMulBatched(new BatchedProduct(n, side, side, side, plain, plain.Transposed, plain, -1, accumulate), half, _y, dx);
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Batched products of matrices with any strides. Saves a factor only for the other's gradient.</summary>
internal static class BatchedMatMulOp
{
    extension(Tensor a)
    {
        /// <summary>C[i] = α·A[i]·B[i]. Strides may not overlap within an operand, except that all products may share one matrix.</summary>
        /// <param name="b">The right factors.</param>
        /// <param name="product">Extents and strides; accumulation is not supported.</param>
        /// <param name="shape">Shape of the output; the strides of C cover it.</param>
        public Tensor MatMulBatched(Tensor b, BatchedProduct product, Shape shape)
        {
            Check.Activation("batched matmul", "a", a);
            Check.Float32("batched matmul", "b", b);
            Check.OneDevice("batched matmul", a, b);
            Fits("a", a, product.A, product.Count, product.M, product.K);
            Fits("b", b, product.B, product.Count, product.K, product.N);
            if (shape.Count != (long)product.Count * product.M * product.N)
            {
                throw new ShapeException("batched matmul", $"{product.Count} products of ({product.M}, {product.N}) do not fill {shape}");
            }
            var c = a.NewLike(shape);
            a.Backend.MatMulBatched(product, a, b, c);
            Tape.Record(() => new Node(a, b, product), [a, b], [c]);
            return c;
        }

        /// <summary>y[…, n, :] = x[…, n, :]·R[n]: each block of columns times its own matrix.</summary>
        /// <param name="blocks">(n, b, b), or (1, b, b) for one matrix that all blocks share.</param>
        internal Tensor MultiplyBlocks(Tensor blocks)
        {
            int side = blocks.Shape.Columns, columns = a.Shape.Columns;
            if (blocks.Shape.Rank != 3 || side == 0 || columns % side != 0 || (blocks.Shape[0] != 1 && blocks.Shape[0] * side != columns))
            {
                throw new ShapeException("multiply blocks", $"{blocks.Shape} does not divide the columns of {a.Shape}");
            }
            var strides = new MatrixStrides(side, columns, 1);
            int batch = blocks.Shape[0] == 1 ? 0 : side * side;
            return a.MatMulBatched(blocks, new BatchedProduct(columns / side, a.Shape.Rows, side, side, strides,
                new MatrixStrides(batch, side, 1), strides), a.Shape);
        }

        /// <summary>Products of n pairs of matrices: (n, m, k)·(n, k, p).</summary>
        internal Tensor MatMulEach(Tensor b)
        {
            int n = a.Shape[0], m = a.Shape[1], k = a.Shape[2], p = b.Shape[2];
            return a.MatMulBatched(b, new BatchedProduct(n, m, k, p, new(m * k, k, 1), new(k * p, p, 1), new(m * p, p, 1)), [n, m, p]);
        }
    }

    private static void Fits(string name, Tensor tensor, MatrixStrides strides, int count, int rows, int columns)
    {
        long last = count == 0 || rows == 0 || columns == 0 ? 0 : strides.At(count - 1, rows - 1, columns - 1) + 1;
        long filled = (strides.Batch == 0 ? 1 : count) * (long)rows * columns;
        if (last > tensor.Count || filled != tensor.Count)
        {
            throw new ShapeException("batched matmul", $"{count} matrices of ({rows}, {columns}) are not what {name} {tensor.Shape} holds");
        }
    }

    /// <summary>C[i] = α·A[i]·B[i];  dA[i] = α·dC[i]·B[i]ᵀ, dB[i] = α·A[i]ᵀ·dC[i].</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _a;
        private readonly Tensor? _b;
        private readonly BatchedProduct _product;

        public Node(Tensor a, Tensor b, BatchedProduct product) : base("batched_matmul")
        {
            _a = SaveIf(b.RequiresGrad, "a", a, "dB[i] = α·A[i]ᵀ·dC[i]");
            _b = SaveIf(a.RequiresGrad, "b", b, "dA[i] = α·dC[i]·B[i]ᵀ");
            _product = product;
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dc = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } da)
            {
                dc.Backend.MatMulBatched(_product.GradientOfA(accumulate), dc, _b!, da);
            }
            if (context.GradInput(1, out accumulate) is { } db)
            {
                dc.Backend.MatMulBatched(_product.GradientOfB(accumulate), _a!, dc, db);
            }
        }
    }
}

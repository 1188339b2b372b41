using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Products of the heads of tokens with rows that all rows of a batch share: y[b, h, t, r] = α·Σ_d x[b, t, h, d]·p[r, h, d], such
/// as DeBERTa's scores of tokens and relative positions. Saves a factor only for the other's gradient.</summary>
internal static class HeadProductsOp
{
    extension(Tensor x)
    {
        /// <summary>The products.</summary>
        /// <param name="rows">F32 (R, H·D)</param>
        /// <param name="heads">Number of heads, H.</param>
        /// <param name="scale">α</param>
        /// <returns>F32 (B, H, T, R), from x F32 (B, T, H·D).</returns>
        public Tensor HeadProducts(Tensor rows, int heads, float scale)
        {
            Check.Float32("head products", "x", x);
            Check.Float32("head products", "rows", rows);
            Check.OneDevice("head products", x, rows);
            if (x.Shape.Rank != 3 || rows.Shape.Rank != 2 || heads <= 0 || x.Shape[2] % heads != 0 || rows.Shape[1] != x.Shape[2])
            {
                throw new ShapeException("head products",
                    $"needs x (B, T, C), rows (R, C) and a number of heads that divides C, got {x.Shape}, {rows.Shape} and {heads}");
            }
            var layout = new Layout(x.Shape[1], heads, x.Shape[2] / heads, rows.Shape[0], scale);
            var y = x.NewLike([x.Shape[0], heads, layout.Length, layout.Rows]);
            for (int b = 0; b < x.Shape[0]; b++)
            {
                x.Backend.MatMulBatched(layout.Products(b), x, rows, y);
            }
            Tape.Record(() => new Node(layout, x, rows), [x, rows], [y]);
            return y;
        }
    }

    /// <summary>The products of one row of the batch, one for each head.</summary>
    private readonly record struct Layout(int Length, int Heads, int HeadDim, int Rows, float Scale)
    {
        /// <summary>y = x·pᵀ</summary>
        public BatchedProduct Products(int b)
        {
            int columns = Heads * HeadDim;
            return new BatchedProduct(Heads, Length, HeadDim, Rows, new(HeadDim, columns, 1, b * Length * columns),
                new(HeadDim, 1, columns), new(Length * Rows, Rows, 1, b * Heads * Length * Rows), Scale);
        }
    }

    /// <summary>y[b] = α·x[b]·pᵀ for each head;  dx[b] = α·dy[b]·p, dp = α·Σ_b dy[b]ᵀ·x[b].</summary>
    private sealed class Node : GradientNode
    {
        private readonly Layout _layout;
        private readonly Tensor? _x;
        private readonly Tensor? _rows;

        public Node(Layout layout, Tensor x, Tensor rows) : base("head_products")
        {
            _layout = layout;
            _x = SaveIf(rows.RequiresGrad, "x", x, "dp = α·Σ_b dy[b]ᵀ·x[b]");
            _rows = SaveIf(x.RequiresGrad, "rows", rows, "dx[b] = α·dy[b]·p");
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var dx = context.GradInput(0, out bool addX);
            var dp = context.GradInput(1, out bool addP);
            if (dy.Count == 0)
            {
                Clear(dx, addX);
                Clear(dp, addP);
                return;
            }
            for (int b = 0; b < dy.Shape[0]; b++)
            {
                if (dx is not null)
                {
                    dy.Backend.MatMulBatched(_layout.Products(b).GradientOfA(addX), dy, _rows!, dx);
                }
                if (dp is not null)
                {
                    dy.Backend.MatMulBatched(_layout.Products(b).GradientOfB(addP || b > 0), _x!, dy, dp);
                }
            }
        }

        // No product writes the gradient of a factor of nothing.
        private static void Clear(Tensor? gradient, bool accumulate)
        {
            if (gradient is not null && !accumulate)
            {
                gradient.Backend.Zero(gradient);
            }
        }
    }
}

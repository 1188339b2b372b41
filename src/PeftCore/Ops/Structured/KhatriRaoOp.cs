using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>The row-wise Khatri–Rao product, all products of a row of one matrix with a row of another: y[p·s + q, :] = a[p, :]∘b[q, :]. A
/// Hadamard product of two low-rank matrices is a low-rank product by it, whose rank is the product of their ranks: (A₁·B₁)∘(A₂·B₂) =
/// KR(A₁ᵀ, A₂ᵀ)ᵀ·KR(B₁, B₂).</summary>
internal static class KhatriRaoOp
{
    extension(Tensor a)
    {
        /// <summary>(r, n) and (s, n) to (r·s, n).</summary>
        internal Tensor KhatriRao(Tensor b)
        {
            Check.Float32("khatri-rao", "a", a);
            Check.Float32("khatri-rao", "b", b);
            Check.OneDevice("khatri-rao", a, b);
            if (a.Shape.Rank != 2 || b.Shape.Rank != 2 || a.Shape[1] != b.Shape[1])
            {
                throw new ShapeException("khatri-rao", $"needs two matrices of as many columns, got {a.Shape} and {b.Shape}");
            }
            var y = a.NewLike([a.Shape[0] * b.Shape[0], a.Shape[1]]);
            for (int p = 0; p < a.Shape[0]; p++)
            {
                a.Backend.MultiplyRow(b, Row(a, p), Part(y, p, b.Shape), false);
            }
            Tape.Record(() => new Node(a, b), [a, b], [y]);
            return y;
        }
    }

    private static Tensor Row(Tensor matrix, int row) => matrix.View([matrix.Shape[1]], (long)row * matrix.Shape[1]);

    private static Tensor Part(Tensor y, int index, Shape shape) => y.View(shape, index * shape.Count);

    /// <summary>y[p·s + q, :] = a[p, :]∘b[q, :];  da[p, :] = Σ_q dy[p·s + q, :]∘b[q, :], db[q, :] = Σ_p dy[p·s + q, :]∘a[p, :].</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _a;
        private readonly Tensor? _b;

        public Node(Tensor a, Tensor b) : base("khatri_rao")
        {
            _a = SaveIf(b.RequiresGrad, "a", a, "db[q, :] = Σ_p dy[p·s + q, :]∘a[p, :]");
            _b = SaveIf(a.RequiresGrad, "b", b, "da[p, :] = Σ_q dy[p·s + q, :]∘b[q, :]");
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var da = context.GradInput(0, out bool addA);
            var db = context.GradInput(1, out bool addB);
            var shape = context.ShapeOf(1);
            for (int p = 0; p < context.ShapeOf(0)[0]; p++)
            {
                using var scope = new TensorScope();
                var part = Part(dy, p, shape);
                if (da is not null)
                {
                    dy.Backend.MultiplySumRows(part, _b!, Row(da, p), addA);
                }
                if (db is not null)
                {
                    dy.Backend.MultiplyRow(part, Row(_a!, p), db, addB || p > 0);
                }
            }
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x·(W₁⊗W₂)ᵀ without forming the Kronecker product: with x as (…, c, d), Z = x·W₂ᵀ and y = W₁·Z for each row. Saves x and
/// recomputes Z in backward.</summary>
internal static class KroneckerLinearOp
{
    extension(Tensor x)
    {
        /// <summary>y = scale·x·(W₁⊗W₂)ᵀ over the innermost axis.</summary>
        /// <param name="first">W₁ (a, c)</param>
        /// <param name="second">W₂ (b, d)</param>
        /// <param name="scale">A factor of the output.</param>
        /// <returns>(…, a·b)</returns>
        internal Tensor KroneckerLinear(Tensor first, Tensor second, float scale)
        {
            Check.Activation("kronecker linear", "x", x);
            Check.OneDevice("kronecker linear", x, first, second);
            if (first.Shape.Rank != 2 || second.Shape.Rank != 2 || x.Shape.Columns != first.Shape[1] * second.Shape[1])
            {
                throw new ShapeException("kronecker linear", $"x {x.Shape} does not go through {first.Shape} and {second.Shape}");
            }
            var y = x.NewLike(x.Shape.WithColumns(first.Shape[0] * second.Shape[0]));
            using (new TensorScope())
            {
                var extents = new Extents(x, first.Shape, second.Shape, scale);
                x.Backend.MatMulBatched(extents.Outer, first, Inner(x, second, extents), y);
            }
            Tape.Record(() => new Node(x, first, second, scale), [x, first, second], [y]);
            return y;
        }
    }

    /// <summary>Z (rows·c, b).</summary>
    private static Tensor Inner(Tensor x, Tensor second, Extents extents)
    {
        var z = x.NewLike([extents.Rows * extents.C, extents.B]);
        x.Backend.MatMul(x.View([extents.Rows * extents.C, extents.D]), false, second, true, z);
        return z;
    }

    private readonly record struct Extents(int Rows, int A, int B, int C, int D, float Scale)
    {
        public Extents(Tensor x, Shape first, Shape second, float scale) : this(x.Shape.Rows, first[0], second[0], first[1], second[1],
            scale)
        { }

        /// <summary>y[t] (a, b) = W₁ (a, c)·Z[t] (c, b).</summary>
        public BatchedProduct Outer => new(Rows, A, C, B, new(0, C, 1), new(C * B, B, 1), new(A * B, B, 1), Scale);
    }

    /// <summary>Z = x·W₂ᵀ, y = s·W₁·Z;  dW₁ = s·Σ dy·Zᵀ, dZ = s·W₁ᵀ·dy, dW₂ = dZᵀ·x, dx = dZ·W₂.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor _first;
        private readonly Tensor _second;
        private readonly float _scale;

        public Node(Tensor x, Tensor first, Tensor second, float scale) : base("kronecker_linear")
        {
            _x = SaveIf(first.RequiresGrad || second.RequiresGrad, "x", x,
                Uses((first.RequiresGrad, "dW₁ = s·Σ dy·Zᵀ"), (second.RequiresGrad, "dW₂ = dZᵀ·x")));
            (_first, _second, _scale) = (SaveWeight(first), SaveWeight(second), scale);
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var backend = dy.Backend;
            using var scope = new TensorScope();
            var extents = new Extents(dy.Shape.Rows, _first.Shape[0], _second.Shape[0], _first.Shape[1], _second.Shape[1], _scale);
            if (context.GradInput(1, out bool accumulate) is { } dFirst)
            {
                using var inner = new TensorScope();
                backend.MatMulBatched(extents.Outer.GradientOfA(accumulate), dy, Inner(_x!, _second, extents), dFirst);
            }
            if (!context.NeedsInputGrad(0) && !context.NeedsInputGrad(2))
            {
                return;
            }
            var dz = dy.NewLike([extents.Rows * extents.C, extents.B]);
            backend.MatMulBatched(extents.Outer.GradientOfB(false), _first, dy, dz);
            if (context.GradInput(2, out accumulate) is { } dSecond)
            {
                backend.MatMul(dz, true, _x!.View([extents.Rows * extents.C, extents.D]), false, dSecond, 1, accumulate);
            }
            if (context.GradInput(0, out accumulate) is { } dx)
            {
                backend.MatMul(dz, false, _second, false, dx.View([extents.Rows * extents.C, extents.D]), 1, accumulate);
            }
        }
    }
}

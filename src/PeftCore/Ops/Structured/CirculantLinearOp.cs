using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x·Cᵀ where C (out, in) consists of circulant blocks of side b: C[m·b + k, n·b + j] = w[m, n, (j − k) mod b]. C is never
/// formed: in a kernel written twice, every cyclic shift is a contiguous range, so a block is a view with a row stride of −1. Saves x only
/// for the gradient of the kernels.</summary>
internal static class CirculantLinearOp
{
    extension(Tensor x)
    {
        /// <summary>y = scale·x·Cᵀ over the innermost axis.</summary>
        /// <param name="kernels">w (out/b, in/b, b)</param>
        /// <param name="scale">A factor of the output.</param>
        /// <param name="mirrored">Whether dx is what Hugging Face PEFT 0.21 computes, with w[(k + j) mod b] instead of w[(j − k) mod b].
        /// That is not the derivative; it makes runs comparable.</param>
        /// <returns>(…, out)</returns>
        internal Tensor CirculantLinear(Tensor kernels, float scale, bool mirrored = false)
        {
            Check.Activation("circulant linear", "x", x);
            Check.Float32("circulant linear", "kernels", kernels);
            Check.OneDevice("circulant linear", x, kernels);
            if (kernels.Shape.Rank != 3 || x.Shape.Columns != kernels.Shape[1] * kernels.Shape[2])
            {
                throw new ShapeException("circulant linear", $"x {x.Shape} does not go through kernels {kernels.Shape}");
            }
            var blocks = new Blocks(x.Shape.Rows, kernels.Shape, scale);
            var y = x.NewLike(x.Shape.WithColumns(blocks.Outputs));
            using (new TensorScope())
            {
                var doubled = Doubled(kernels);
                for (int n = 0; n < blocks.N; n++)
                {
                    x.Backend.MatMulBatched(blocks.Forward(n), x, doubled, y);
                }
            }
            Tape.Record(() => new Node(x, kernels, blocks, mirrored), [x, kernels], [y]);
            return y;
        }
    }

    /// <summary>Each kernel twice: (m, n, 2b).</summary>
    private static Tensor Doubled(Tensor kernels)
    {
        int b = kernels.Shape.Columns;
        var doubled = kernels.NewLike(kernels.Shape.WithColumns(2 * b));
        kernels.Backend.CopyColumns(kernels, 0, doubled, 0, b, false);
        kernels.Backend.CopyColumns(kernels, 0, doubled, b, b, false);
        return doubled;
    }

    private readonly record struct Blocks(int Rows, int M, int N, int Side, float Scale)
    {
        public Blocks(int rows, Shape kernels, float scale) : this(rows, kernels[0], kernels[1], kernels[2], scale) { }

        public int Outputs => M * Side;

        private int Inputs => N * Side;

        /// <summary>y[:, m] += x[:, n]·C[m, n]ᵀ for all m; Cᵀ[j, k] is the doubled kernel at b + j − k.</summary>
        public BatchedProduct Forward(int n) =>
            new(M, Rows, Side, Side, new(0, Inputs, 1, n * Side), new(N * 2 * Side, 1, -1, n * 2 * Side + Side),
            new(Side, Outputs, 1), Scale, n > 0);

        /// <summary>dx[:, n] += dy[:, m]·C[m, n] for all n.</summary>
        public BatchedProduct Backward(int m, bool mirrored, bool accumulate) => new(N, Rows, Side, Side, new(0, Outputs, 1, m * Side),
            new(2 * Side, mirrored ? 1 : -1, 1, m * N * 2 * Side + (mirrored ? 0 : Side)), new(Side, Inputs, 1), Scale, accumulate
            || m > 0);

        /// <summary>G[n] = dy[:, m]ᵀ·x[:, n] into columns [0, b) or [b, 2b) of (n, b, 2b).</summary>
        public BatchedProduct Outer(int m, int column) =>
            new(N, Side, Rows, Side, new(0, 1, Outputs, m * Side), new(Side, Inputs, 1), new(2 * Side * Side, 2 * Side, 1, column));

        /// <summary>dw[m, n, l] = Σ_k G[n][k, k + l]: sums along diagonals, which are columns where rows are one element longer.</summary>
        public BatchedProduct Diagonals(int m, bool accumulate) =>
            new(N, 1, Side, Side, new(0, 0, 0), new(2 * Side * Side, 2 * Side + 1, 1), new(Side, Side, 1, m * N * Side),
            Scale, accumulate);
    }

    /// <summary>y = s·x·Cᵀ, C[m·b + k, n·b + j] = w[m, n, (j − k) mod b];  dx = s·dy·C, dw[m, n, l] = s·Σ_k G[k, (k + l) mod b] with G =
    /// dy[:, m]ᵀ·x[:, n].</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor _kernels;
        private readonly Blocks _blocks;
        private readonly bool _mirrored;

        public Node(Tensor x, Tensor kernels, Blocks blocks, bool mirrored) : base("circulant_linear")
        {
            _x = SaveIf(kernels.RequiresGrad, "x", x, "G = dy[:, m]ᵀ·x[:, n]");
            (_kernels, _blocks, _mirrored) = (SaveWeight(kernels), blocks, mirrored);
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            using var scope = new TensorScope();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                var doubled = Doubled(_kernels);
                for (int m = 0; m < _blocks.M; m++)
                {
                    dy.Backend.MatMulBatched(_blocks.Backward(m, _mirrored, accumulate), dy, doubled, dx);
                }
            }
            if (context.GradInput(1, out accumulate) is { } dw)
            {
                var outer = dy.NewLike([_blocks.N, _blocks.Side, 2 * _blocks.Side], DType.F32);
                var one = Constants.One(dy.Backend);
                for (int m = 0; m < _blocks.M; m++)
                {
                    dy.Backend.MatMulBatched(_blocks.Outer(m, 0), dy, _x!, outer);
                    dy.Backend.MatMulBatched(_blocks.Outer(m, _blocks.Side), dy, _x!, outer);
                    dy.Backend.MatMulBatched(_blocks.Diagonals(m, accumulate), one, outer, dw);
                }
            }
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Scores of tokens with the relative positions of others, a bias of attention: y[b, h, i, j] = α·x[b, i, h]·p[T − 1 + j − i, h],
/// or with i and j exchanged for scores of keys, y[b, h, i, j] = α·x[b, j, h]·p[T − 1 + i − j, h] (Dai et al. 2019; He et al. 2021). All
/// products of a token with the 2T − 1 positions are written with such strides that the wanted ones form rectangles.</summary>
internal static class RelativeScoresOp
{
    extension(Tensor x)
    {
        /// <summary>The scores.</summary>
        /// <param name="positions">F32 (2T − 1, heads·D): row r is the position T − 1 − r tokens before the token, or after it if that is
        /// negative.</param>
        /// <param name="heads">Number of heads, H.</param>
        /// <param name="scale">α</param>
        /// <param name="ofKeys">Whether x has keys, j, rather than queries, i.</param>
        /// <returns>(B, H, T, T): queries, then keys.</returns>
        public Tensor RelativeScores(Tensor positions, int heads, float scale, bool ofKeys)
        {
            Check.Float32("relative scores", "x", x);
            Check.Float32("relative scores", "positions", positions);
            Check.OneDevice("relative scores", x, positions);
            if (x.Shape.Rank != 3 || heads <= 0 || x.Shape[2] % heads != 0 || x.Shape[1] == 0
                || positions.Shape != Shape.Of(2 * x.Shape[1] - 1, x.Shape[2]))
            {
                throw new ShapeException("relative scores",
                    $"needs x (B, T, C), positions (2T − 1, C) and heads that divide C, got {x.Shape}, {positions.Shape} and {heads}");
            }
            var layout = new Layout(x.Shape[0], x.Shape[1], heads, x.Shape[2] / heads, scale, ofKeys);
            var y = x.NewLike([layout.Batch, heads, layout.Length, layout.Length]);
            Forward(layout, x, positions, y);
            Tape.Record(() => new Node(layout, x, positions), [x, positions], [y]);
            return y;
        }
    }

    private static void Forward(Layout layout, Tensor x, Tensor positions, Tensor y)
    {
        using var scope = new TensorScope();
        var all = x.Backend.NewTensor(layout.AllShape, kind: MemoryKind.Workspace);
        for (int b = 0; b < layout.Batch; b++)
        {
            x.Backend.MatMulBatched(layout.Scores(b), x, positions, all);
            x.Backend.CopyColumns(all, layout.First, layout.RowOf(y, b), 0, layout.Wanted, accumulate: false);
        }
    }

    /// <summary>Where the products of one row of the batch are: W = 3T − 2 places a token, of which T in the middle are wanted.</summary>
    private readonly record struct Layout(int Batch, int Length, int Heads, int HeadDim, float Scale, bool OfKeys)
    {
        private int Positions => 2 * Length - 1;

        private int Width => 3 * Length - 2;

        private int Columns => Heads * HeadDim;

        // Of queries: a row of W scores for each head and query. Of keys: W rows of T scores for each head.
        public Shape AllShape => OfKeys ? [Heads, Width * Length] : [Heads * Length, Width];

        public int First => OfKeys ? (Length - 1) * Length : Length - 1;

        public int Wanted => OfKeys ? Length * Length : Length;

        private MatrixStrides AllStrides => OfKeys ? new(Width * Length, Length + 1, Length) : new(Width * Length, Width + 1, 1);

        private MatrixStrides PositionStrides => new(HeadDim, Columns, 1);

        private MatrixStrides TokenStrides(int b) => new(HeadDim, Columns, 1, b * Length * Columns);

        /// <summary>x·pᵀ</summary>
        public BatchedProduct Scores(int b) =>
            new(Heads, Length, HeadDim, Positions, TokenStrides(b), PositionStrides.Transposed, AllStrides, Scale);

        /// <summary>dx = ds·p</summary>
        public BatchedProduct GradientOfTokens(int b, bool accumulate) =>
            new(Heads, Length, Positions, HeadDim, AllStrides, PositionStrides, TokenStrides(b), Scale, accumulate);

        /// <summary>dp = dsᵀ·x</summary>
        public BatchedProduct GradientOfPositions(int b, bool accumulate) =>
            new(Heads, Positions, Length, HeadDim, AllStrides.Transposed, TokenStrides(b), PositionStrides, Scale, accumulate);

        /// <summary>One row of a (B, H, T, T) tensor, with the wanted scores of a row of <see cref="AllShape"/> in each of its
        /// rows.</summary>
        public Tensor RowOf(Tensor scores, int b) =>
            scores.View([Heads * Length * Length / Wanted, Wanted], (long)b * Heads * Length * Length);
    }

    /// <summary>With ds, the gradient of all products, dy where they are wanted and 0 elsewhere: dx = α·ds·p, dp = α·Σ_b dsᵀ·x.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Layout _layout;
        private readonly Tensor? _x;
        private readonly Tensor? _positions;

        public Node(Layout layout, Tensor x, Tensor positions) : base("relative_scores")
        {
            _layout = layout;
            _x = SaveIf(positions.RequiresGrad, "x", x);
            _positions = SaveIf(x.RequiresGrad, "positions", positions);
        }

        protected internal override void Backward(BackwardContext context)
        {
            using var scope = new TensorScope();
            var dy = context.GradOutput();
            var dx = context.GradInput(0, out bool addX);
            var dp = context.GradInput(1, out bool addP);
            var all = dy.Backend.NewTensor(_layout.AllShape, kind: MemoryKind.Workspace);
            dy.Backend.Zero(all);
            for (int b = 0; b < _layout.Batch; b++)
            {
                dy.Backend.CopyColumns(_layout.RowOf(dy, b), 0, all, _layout.First, _layout.Wanted, accumulate: false);
                if (dx is not null)
                {
                    dy.Backend.MatMulBatched(_layout.GradientOfTokens(b, addX), all, _positions!, dx);
                }
                if (dp is not null)
                {
                    dy.Backend.MatMulBatched(_layout.GradientOfPositions(b, addP || b > 0), all, _x!, dp);
                }
            }
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>DeBERTa's disentangled scores (He et al. 2021): from scores against every relative position to scores of pairs,
/// y[b, h, i, j] = x[b, h, i, index[i, j]] (content to position), or transposed y[b, h, i, j] = x[b, h, j, index[j, i]] (position to
/// content). Saves the indices.</summary>
internal static class RelativeGatherOp
{
    extension(Tensor x)
    {
        /// <summary>Picks the score of each pair's relative position, for <see cref="AttentionOptions.Bias"/>.</summary>
        /// <param name="index">I32 (rows, columns): positions in [0, positions).</param>
        /// <param name="transpose">Whether to exchange the last two axes of the result.</param>
        /// <returns>F32 (batch, heads, rows, columns), or with <paramref name="transpose"/> (batch, heads, columns, rows), from x (batch,
        /// heads, rows, positions)</returns>
        public Tensor GatherRelative(Tensor index, bool transpose = false)
        {
            Check.Activation("relative gather", "x", x);
            Check.Int32("relative gather", "index", index);
            Check.OneDevice("relative gather", x, index);
            if (x.Shape.Rank != 4 || index.Shape.Rank != 2 || x.Shape[2] != index.Shape[0])
            {
                throw new ShapeException("relative gather",
                    $"needs x (batch, heads, rows, positions) and an index (rows, columns), got {x.Shape} and {index.Shape}");
            }
            int rows = index.Shape[0], columns = index.Shape[1];
            var y = x.NewLike([x.Shape[0], x.Shape[1], transpose ? columns : rows, transpose ? rows : columns], DType.F32);
            x.Backend.GatherRelative(x, index, transpose, y);
            Tape.Record(() => new Node(index, transpose), [x], [y]);
            return y;
        }
    }

    /// <summary>y[b, h, i, j] = x[b, h, i, index[i, j]];  dx[b, h, i, r] = Σ dy[b, h, i, j] over j with index[i, j] = r.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _index;
        private readonly bool _transpose;

        public Node(Tensor index, bool transpose) : base("relative gather") =>
            (_index, _transpose) = (Save("index", index, "dx[b, h, i, r] = Σ dy[b, h, i, j]"), transpose);

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.GatherRelativeGradient(context.GradOutput(), _index, _transpose, dx, accumulate);
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>The patches of a convolution as rows (PyTorch's unfold): a convolution is a linear layer of them. Saves x, and ops that read
/// the patches in backward get them recomputed. <see cref="ConvolutionOp"/> never holds all of them; this op is for adapters that are
/// not low-rank updates.</summary>
internal static class UnfoldOp
{
    extension(Tensor x)
    {
        /// <summary>The patch of each output position, in the order (channel, kernel row, kernel column).</summary>
        /// <param name="spec">Kernel, stride, padding and dilation; one group.</param>
        /// <returns>(batch, height, width, channels·kernel height·kernel width), or (batch, length, …)</returns>
        public Tensor Unfold(ConvolutionSpec spec)
        {
            Check.Activation("unfold", "x", x);
            var grid = spec.On(x.Shape);
            if (grid.Groups != 1)
            {
                throw new ShapeException("unfold", $"needs a convolution of one group, not {grid.Groups}");
            }
            if (spec.IsPointwise)
            {
                return x;
            }
            var y = x.NewLike(spec.ShapeOf(grid, grid.Columns));
            x.Backend.PackPatches(x, grid, 0, 0, y);
            Tape.Record(() => new Node(x, grid), [x], [y]);
            return y;
        }

        /// <summary>The sum of patches at the positions they were taken from (PyTorch's fold): the transpose of
        /// <see cref="Unfold"/>.</summary>
        /// <param name="spec">Kernel, stride, padding and dilation; one group.</param>
        /// <param name="shape">The shape that the patches were taken from.</param>
        public Tensor Fold(ConvolutionSpec spec, Shape shape)
        {
            Check.Activation("fold", "the patches", x);
            var grid = spec.On(shape);
            if (x.Shape != spec.ShapeOf(grid, grid.Columns) || grid.Groups != 1)
            {
                throw new ShapeException("fold", $"{x.Shape} are not the patches of {shape}");
            }
            var y = x.NewLike(shape);
            y.Backend.Zero(y);
            y.Backend.AddPatches(x, grid, 0, 0, y);
            Tape.Record(() => new SumNode(grid), [x], [y]);
            return y;
        }
    }

    /// <summary>p[r, (c, i, j)] = x at the place of output position r and kernel position (i, j);  dx = Σ dp over the patches that have the
    /// place.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _x;
        private readonly PatchGrid _grid;

        public Node(Tensor x, PatchGrid grid) : base("unfold") => (_x, _grid) = (Save("x", x, "dx = Σ dp over the patches"), grid);

        protected internal override bool CanRecompute => true;

        protected override void Recompute(Tensor y) => y.Backend.PackPatches(_x, _grid, 0, 0, y);

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            if (!accumulate)
            {
                dx.Backend.Zero(dx);
            }
            dx.Backend.AddPatches(context.GradOutput(), _grid, 0, 0, dx);
        }
    }

    /// <summary>y = Σ p over the patches that have a place;  dp[r, (c, i, j)] = dy at the place.</summary>
    private sealed class SumNode(PatchGrid grid) : GradientNode("fold")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var dp = context.GradInput(0, out bool accumulate)!;
            if (!accumulate)
            {
                dy.Backend.PackPatches(dy, grid, 0, 0, dp);
                return;
            }
            using var scope = new TensorScope();
            var own = dp.NewLike(dp.Shape, dp.DType);
            dy.Backend.PackPatches(dy, grid, 0, 0, own);
            dp.Backend.Add(dp, own, dp);
        }
    }
}

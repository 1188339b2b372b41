using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Two matrices beside each other.</summary>
internal static class JoinColumnsOp
{
    extension(Tensor)
    {
        /// <summary>(rows, m) and (rows, n) to (rows, m + n).</summary>
        internal static Tensor BesideEachOther(Tensor left, Tensor right)
        {
            Check.Activation("join columns", "left", left);
            Check.Activation("join columns", "right", right);
            Check.OneDevice("join columns", left, right);
            if (left.Shape.Rank != 2 || right.Shape.Rank != 2 || left.Shape[0] != right.Shape[0])
            {
                throw new ShapeException("join columns", $"needs two matrices of as many rows, got {left.Shape} and {right.Shape}");
            }
            int m = left.Shape[1], n = right.Shape[1];
            var y = left.NewLike([left.Shape[0], m + n]);
            left.Backend.CopyColumns(left, 0, y, 0, m, false);
            right.Backend.CopyColumns(right, 0, y, m, n, false);
            Tape.Record(() => new Node(m, n), [left, right], [y]);
            return y;
        }
    }

    private sealed class Node(int m, int n) : GradientNode("join_columns")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dLeft)
            {
                dy.Backend.CopyColumns(dy, 0, dLeft, 0, m, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dRight)
            {
                dy.Backend.CopyColumns(dy, m, dRight, 0, n, accumulate);
            }
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Softmax over the k largest elements of each row, and zero elsewhere. The choice of the k is a constant for the
/// gradient.</summary>
internal static class TopKSoftmaxOp
{
    extension(Tensor x)
    {
        /// <summary>Top-k softmax over the innermost axis.</summary>
        /// <param name="k">Elements of a row that are kept.</param>
        internal Tensor TopKSoftmax(int k)
        {
            Check.Float32("top-k softmax", "x", x);
            if (k < 1 || k > x.Shape.Columns)
            {
                throw new ShapeException("top-k softmax", $"the {k} largest of {x.Shape.Columns} columns are not there: {x.Shape}");
            }
            var y = x.NewLike(x.Shape);
            x.Backend.TopKSoftmax(x, k, y);
            Tape.Record(() => new Node(y), [x], [y]);
            return y;
        }
    }

    /// <summary>y = softmax of the k largest of each row, 0 elsewhere;  dx = y∘(dy − Σ dy∘y).</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _y;

        public Node(Tensor y) : base("top_k_softmax") => _y = Save("y", y, "dx = y∘(dy − Σ dy∘y)");

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.SoftmaxGradient(_y, context.GradOutput(), dx, accumulate); // Where y is zero, so is the gradient.
        }
    }
}

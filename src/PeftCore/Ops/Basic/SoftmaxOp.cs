using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = exp(x)/Σ exp(x), row by row. Saves y.</summary>
public static class SoftmaxOp
{
    extension(Tensor x)
    {
        /// <summary>Softmax over the innermost axis.</summary>
        public Tensor Softmax()
        {
            Check.Activation("softmax", "x", x);
            var y = x.NewLike(x.Shape);
            x.Backend.Softmax(x, y);
            Tape.Record(() => new Node(y), [x], [y]);
            return y;
        }
    }

    /// <summary>y = eˣ/Σ eˣ in each row;  dx = y∘(dy − Σ dy∘y).</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _y;

        public Node(Tensor y) : base("softmax") => _y = Save("y", y, "dx = y∘(dy − Σ dy∘y)");

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.SoftmaxGradient(_y, context.GradOutput(), dx, accumulate);
        }
    }
}

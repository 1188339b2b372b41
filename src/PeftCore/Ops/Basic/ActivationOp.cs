using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = f(x), element by element, for a formula of PeftCore.Kernels; dx = dy·f′(x). Saves x.</summary>
internal static class ActivationOp
{
    extension(Tensor x)
    {
        /// <summary>Applies a formula to every element.</summary>
        public Tensor Activate<TFormula>() where TFormula : struct, IUnaryFormula
        {
            Check.Activation("activation", "x", x);
            var y = x.NewLike(x.Shape);
            x.Backend.Map<TFormula>(x, y);
            Tape.Record(() => new Node<TFormula>(x), [x], [y]);
            return y;
        }
    }

    /// <summary>y = f(x);  dx = dy∘f′(x).</summary>
    private sealed class Node<TFormula> : GradientNode where TFormula : struct, IUnaryFormula
    {
        private readonly Tensor _x;

        public Node(Tensor x) : base(typeof(TFormula).Name) => _x = Save("x", x, "dx = dy∘f′(x)");

        protected internal override bool CanRecompute => true;

        protected override void Recompute(Tensor y) => y.Backend.Map<TFormula>(_x, y);

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInputReusing(_x, 0, out bool accumulate)!;
            dx.Backend.MapGradient<TFormula>(_x, context.GradOutput(), dx, accumulate);
        }
    }
}

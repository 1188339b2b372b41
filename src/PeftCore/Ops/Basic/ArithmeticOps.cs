using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Arithmetic of tensors of one shape, element by element. A sum saves nothing; a product saves a factor only for the other's
/// gradient.</summary>
public static class ArithmeticOps
{
    extension(Tensor a)
    {
        /// <summary>left + right;  both gradients are dy.</summary>
        public static Tensor operator +(Tensor left, Tensor right)
        {
            Check.SameShape("add", left, right);
            var y = left.NewLike(left.Shape);
            left.Backend.Add(left, right, y);
            Tape.Record(() => new AddNode(), [left, right], [y]);
            return y;
        }

        /// <summary>left·right;  dleft = dy·right, dright = dy·left.</summary>
        public static Tensor operator *(Tensor left, Tensor right)
        {
            Check.SameShape("multiply", left, right);
            var y = left.NewLike(left.Shape);
            left.Backend.Multiply(left, right, y, false);
            Tape.Record(() => new MultiplyNode(left, right), [left, right], [y]);
            return y;
        }

        /// <summary>factor·x;  dx = factor·dy.</summary>
        public static Tensor operator *(Tensor tensor, float factor)
        {
            Check.Activation("scale", "x", tensor);
            var y = tensor.NewLike(tensor.Shape);
            tensor.Backend.Scale(tensor, factor, y, false);
            Tape.Record(() => new ScaleNode(factor), [tensor], [y]);
            return y;
        }

        /// <summary>scalar·a with a constant in the device's memory.</summary>
        internal Tensor ScaleBy(Tensor scalar)
        {
            Check.Activation("scale", "x", a);
            Check.Vector("scale", "scalar", scalar, 1);
            var y = a.NewLike(a.Shape);
            a.Backend.ScaleBy(a, scalar, y, false);
            Tape.Record(() => new ScaleByNode(scalar), [a], [y]);
            return y;
        }

        /// <summary>left − right.</summary>
        public static Tensor operator -(Tensor left, Tensor right)
        {
            Check.SameShape("subtract", left, right);
            return left + right * -1f;
        }

        /// <summary>left/right, element by element;  dleft = dy/right, dright = −dy·left/right². The gated product of 1/right and left:
        /// see <see cref="GatedOp"/>. Saves right, and left only for right's gradient.</summary>
        public static Tensor operator /(Tensor left, Tensor right)
        {
            Check.SameShape("divide", left, right);
            return right.Gate<Reciprocal>(left);
        }
    }

    /// <summary>y = left + right;  dleft = dy, dright = dy.</summary>
    private sealed class AddNode() : GradientNode("add")
    {
        protected internal override void Backward(BackwardContext context)
        {
            context.PropagateGrad(0, context.GradOutput());
            context.PropagateGrad(1, context.GradOutput());
        }
    }

    /// <summary>y = left∘right;  dleft = dy∘right, dright = dy∘left.</summary>
    private sealed class MultiplyNode : GradientNode
    {
        private readonly Tensor? _left;
        private readonly Tensor? _right;

        public MultiplyNode(Tensor left, Tensor right) : base("multiply")
        {
            _left = SaveIf(right.RequiresGrad, "left", left, "dright = dy∘left");
            _right = SaveIf(left.RequiresGrad, "right", right, "dleft = dy∘right");
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dLeft)
            {
                dy.Backend.Multiply(dy, _right!, dLeft, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dRight)
            {
                dy.Backend.Multiply(dy, _left!, dRight, accumulate);
            }
        }
    }

    /// <summary>y = factor·x;  dx = factor·dy.</summary>
    private sealed class ScaleNode(float factor) : GradientNode("scale")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.Scale(context.GradOutput(), factor, dx, accumulate);
        }
    }

    /// <summary>y = scalar·x with a constant in the device's memory;  dx = scalar·dy.</summary>
    private sealed class ScaleByNode : GradientNode
    {
        private readonly Tensor _scalar;

        public ScaleByNode(Tensor scalar) : base("scale") => _scalar = Save("scalar", scalar, "dx = scalar·dy");

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.ScaleBy(context.GradOutput(), _scalar, dx, accumulate);
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Sums and products of tensors of one shape. A sum saves nothing; a product saves a factor only for the other's
/// gradient.</summary>
public static class ArithmeticOps
{
    extension(Tensor a)
    {
        /// <summary>a + b.</summary>
        public static Tensor operator +(Tensor left, Tensor right)
        {
            Check.SameShape("add", left, right);
            var y = left.NewLike(left.Shape);
            left.Backend.Add(left, right, y);
            Tape.Record(() => new AddNode(), [left, right], [y]);
            return y;
        }

        /// <summary>a·b, element by element.</summary>
        public static Tensor operator *(Tensor left, Tensor right)
        {
            Check.SameShape("multiply", left, right);
            var y = left.NewLike(left.Shape);
            left.Backend.Multiply(left, right, y, false);
            Tape.Record(() => new MultiplyNode(left, right), [left, right], [y]);
            return y;
        }

        /// <summary>factor·a.</summary>
        public static Tensor operator *(Tensor tensor, float factor)
        {
            Check.Activation("scale", "x", tensor);
            var y = tensor.NewLike(tensor.Shape);
            tensor.Backend.Scale(tensor, factor, y, false);
            Tape.Record(() => new ScaleNode(factor), [tensor], [y]);
            return y;
        }

        /// <summary>scalar·a, with a constant that is a tensor on the device.</summary>
        internal Tensor ScaleBy(Tensor scalar)
        {
            Check.Activation("scale", "x", a);
            Check.Vector("scale", "scalar", scalar, 1);
            var y = a.NewLike(a.Shape);
            a.Backend.ScaleBy(a, scalar, y, false);
            Tape.Record(() => new ScaleByNode(scalar), [a], [y]);
            return y;
        }

        /// <summary>a − b.</summary>
        public static Tensor operator -(Tensor left, Tensor right)
        {
            Check.SameShape("subtract", left, right);
            return left + right * -1f;
        }

        /// <summary>Σ of all elements, a scalar.</summary>
        public Tensor Sum()
        {
            Check.Activation("sum", "x", a);
            var y = a.NewLike([1], DType.F32);
            a.Backend.SumRows(a.View([checked((int)a.Count), 1]), y, false);
            var shape = a.Shape;
            Tape.Record(() => new SumNode(shape), [a], [y]);
            return y;
        }
    }

    private sealed class AddNode() : GradientNode("add")
    {
        protected internal override void Backward(BackwardContext context)
        {
            context.PropagateGrad(0, context.GradOutput());
            context.PropagateGrad(1, context.GradOutput());
        }
    }

    private sealed class MultiplyNode : GradientNode
    {
        private readonly Tensor? _left;
        private readonly Tensor? _right;

        public MultiplyNode(Tensor left, Tensor right) : base("multiply")
        {
            _left = SaveIf(right.RequiresGrad, "left", left);
            _right = SaveIf(left.RequiresGrad, "right", right);
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

    private sealed class ScaleNode(float factor) : GradientNode("scale")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.Scale(context.GradOutput(), factor, dx, accumulate);
        }
    }

    private sealed class ScaleByNode : GradientNode
    {
        private readonly Tensor _scalar;

        public ScaleByNode(Tensor scalar) : base("scale") => _scalar = Save("scalar", scalar);

        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            dx.Backend.ScaleBy(context.GradOutput(), _scalar, dx, accumulate);
        }
    }

    private sealed class SumNode(Shape shape) : GradientNode("sum")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            if (!accumulate)
            {
                dx.Backend.Zero(dx);
            }
            dx.Backend.AddRow(dx.View([checked((int)shape.Count), 1]), context.GradOutput());
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Conversion to another dtype; the gradient is converted back. Saves nothing.</summary>
public static class CastOp
{
    extension(Tensor x)
    {
        /// <summary>Converts to F32 or BF16; the same tensor if it has the dtype.</summary>
        public Tensor Cast(DType dtype)
        {
            ArgumentNullException.ThrowIfNull(x);
            if (x.DType == dtype)
            {
                return x;
            }
            if (dtype is not (DType.F32 or DType.BF16) || !x.DType.IsFloat)
            {
                throw new ShapeException("cast", $"goes from floating-point numbers to F32 or BF16, not from {x} to {dtype}");
            }
            var y = x.NewLike(x.Shape, dtype);
            x.Backend.Cast(x, y);
            Tape.Record(() => new Node(), [x], [y]);
            return y;
        }

        /// <summary>Converts a parameter to the device's dtype of activations.</summary>
        internal Tensor AsActivation() => x.Cast(x.Backend.ActivationDType);
    }

    /// <summary>y = x in another dtype;  dx = dy in the dtype of x.</summary>
    private sealed class Node() : GradientNode("cast")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var dx = context.GradInput(0, out bool accumulate)!;
            if (accumulate)
            {
                var converted = dy.NewLike(dx.Shape, dx.DType, MemoryKind.Workspace);
                dy.Backend.Cast(dy, converted);
                dx.Backend.Add(dx, converted, dx);
            }
            else
            {
                dy.Backend.Cast(dy, dx);
            }
        }
    }
}

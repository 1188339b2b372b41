using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Exponential and logarithm of every element; see <see cref="ActivationOp"/>. Saves x.</summary>
public static class ExponentialOps
{
    extension(Tensor x)
    {
        /// <summary>y = eˣ;  dx = dy·eˣ.</summary>
        public Tensor Exp() => x.Activate<Exp>();

        /// <summary>y = ln x;  dx = dy/x.</summary>
        public Tensor Log() => x.Activate<Log>();
    }
}

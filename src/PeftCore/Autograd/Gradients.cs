using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Gradients of leaf tensors.</summary>
public static class Gradients
{
    extension(Tensor tensor)
    {
        /// <summary>The gradient accumulated so far, of the tensor's shape; null before a backward pass has reached the tensor.</summary>
        public Tensor? Gradient => NotNull(tensor).GradFn?.Gradient;

        /// <summary>Makes this tensor a leaf that accumulates its gradient in backward passes.</summary>
        /// <exception cref="ShapeException">The tensor is not F32, the only dtype of trained parameters.</exception>
        public Tensor TrackGradient()
        {
            ArgumentNullException.ThrowIfNull(tensor);
            if (tensor.DType != DType.F32)
            {
                throw new ShapeException("track gradient", $"only F32 tensors train, this one is {tensor.DType}; convert it first");
            }
            tensor.GradFn ??= new AccumulateGrad(tensor.Shape);
            return tensor;
        }

        /// <summary>Stops accumulating, and frees the gradient.</summary>
        public void UntrackGradient()
        {
            NotNull(tensor).FreeGradient();
            tensor.GradFn = null;
        }

        /// <summary>Frees the gradient; the next backward pass starts from zero.</summary>
        public void FreeGradient() => NotNull(tensor).GradFn?.FreeGradient();

        /// <summary>A view of the same values that requires no gradient.</summary>
        public Tensor Detach() => NotNull(tensor).View(tensor.Shape);
    }

    private static Tensor NotNull(Tensor tensor) => tensor ?? throw new ArgumentNullException(nameof(tensor));
}

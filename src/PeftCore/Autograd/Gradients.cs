using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Asking tensors to gather gradients.</summary>
public static class Gradients
{
    extension(Tensor tensor)
    {
        /// <summary>The gradient gathered so far, of the same shape; null before a backward pass reached this tensor.</summary>
        public Tensor? Gradient => GradientEdge.Of(tensor)?.Gradient;

        /// <summary>Makes this tensor a leaf whose gradient backward passes gather.</summary>
        /// <exception cref="ShapeException">The tensor is not F32: only F32 trains.</exception>
        public Tensor TrackGradient()
        {
            if (tensor.DType != DType.F32)
            {
                throw new ShapeException("track gradient", $"only F32 tensors train, this one is {tensor.DType}; convert it first");
            }
            tensor.GradientEdge ??= new AccumulateGrad(tensor.Shape);
            return tensor;
        }

        /// <summary>Stops gathering, and frees what was gathered.</summary>
        public void UntrackGradient()
        {
            tensor.FreeGradient();
            tensor.GradientEdge = null;
        }

        /// <summary>Frees the gathered gradient; the next backward pass starts from nothing.</summary>
        public void FreeGradient() => GradientEdge.Of(tensor)?.Drop();

        /// <summary>The same values without their history.</summary>
        public Tensor Detach() => tensor.View(tensor.Shape);
    }
}

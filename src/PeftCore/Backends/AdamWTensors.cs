using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The tensors of one parameter's AdamW step.</summary>
/// <param name="Step">Hyperparameters; the weight decay may differ between parameters.</param>
/// <param name="Parameter">The values.</param>
/// <param name="Gradient">Their gradient.</param>
/// <param name="FirstMoment">Running mean of gradients.</param>
/// <param name="SecondMoment">Running mean of squared gradients.</param>
internal readonly record struct AdamWTensors(Optimizers.AdamW Step, Tensor Parameter, Tensor Gradient, Tensor FirstMoment,
    Tensor SecondMoment);

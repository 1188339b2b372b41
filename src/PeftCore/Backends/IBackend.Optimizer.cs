using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public partial interface IBackend
{
    /// <summary>One AdamW step of one parameter, its gradient scaled by <paramref name="gradientScale"/> first.</summary>
    void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment, Tensor secondMoment);

    /// <summary>One step of stochastic gradient descent of one parameter, with or without a momentum buffer.</summary>
    void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep);

    /// <summary>Σ x², in a fixed order.</summary>
    double SumOfSquares(Tensor x);

    /// <summary>Whether no element is NaN or infinite.</summary>
    bool AllFinite(Tensor x);
}

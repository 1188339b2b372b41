using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public partial interface IBackend
{
    /// <summary>One AdamW step of one parameter, its gradient scaled by <paramref name="gradientScale"/> first.</summary>
    void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment, Tensor secondMoment);

    /// <summary>One AdamW step of many parameters in one pass.</summary>
    void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        foreach (var (step, parameter, gradient, first, second) in parameters)
        {
            AdamW(step, parameter, gradient, gradientScale, first, second);
        }
    }

    /// <summary>One step of stochastic gradient descent of one parameter, with or without a momentum buffer.</summary>
    void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep);

    /// <summary>Σ x², in a fixed order.</summary>
    double SumOfSquares(Tensor x);

    /// <summary>Σ x² over several tensors, in their order.</summary>
    double SumOfSquares(ReadOnlySpan<Tensor> tensors)
    {
        double sum = 0;
        foreach (var tensor in tensors)
        {
            sum += SumOfSquares(tensor);
        }
        return sum;
    }

    /// <summary>Whether no element is NaN or infinite.</summary>
    bool AllFinite(Tensor x);
}

/// <summary>What an AdamW step of one parameter works on.</summary>
/// <param name="Step">Settings; the weight decay may differ from parameter to parameter.</param>
/// <param name="Parameter">The values.</param>
/// <param name="Gradient">Their gradient.</param>
/// <param name="FirstMoment">Running mean of gradients.</param>
/// <param name="SecondMoment">Running mean of squared gradients.</param>
public readonly record struct AdamWTensors(Optimizers.AdamW Step, Tensor Parameter, Tensor Gradient, Tensor FirstMoment,
    Tensor SecondMoment);

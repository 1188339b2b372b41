using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment, Tensor secondMoment) =>
        Optimizers.Step(step, F32(parameter), F32(gradient), gradientScale, F32(firstMoment), F32(secondMoment), _pool);

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep) =>
        Optimizers.SgdStep(F32(parameter), F32(gradient), gradientScale, F32OrNone(momentumBuffer), learningRate, momentum, weightDecay,
            nesterov, firstStep, _pool);

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x) => Elementwise.SumOfSquares(F32(x), _pool);

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => Elementwise.AllFinite(F32(x), _pool);
}

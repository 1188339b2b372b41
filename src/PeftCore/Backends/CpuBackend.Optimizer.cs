using System.Buffers;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment, Tensor secondMoment) =>
        Optimizers.Step(step, F32(Written(parameter)), F32(gradient), gradientScale, F32(firstMoment), F32(secondMoment), _pool);

    /// <inheritdoc/>
    public unsafe void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        var tasks = ArrayPool<Optimizers.AdamTask>.Shared.Rent(parameters.Length);
        for (int i = 0; i < parameters.Length; i++)
        {
            var (step, parameter, gradient, first, second) = parameters[i];
            tasks[i] = new Optimizers.AdamTask(step, Numbers(Written(parameter)), Numbers(gradient), Numbers(first), Numbers(second), checked((int)parameter.Count));
        }
        Optimizers.Step(tasks.AsSpan(0, parameters.Length), gradientScale, _pool);
        ArrayPool<Optimizers.AdamTask>.Shared.Return(tasks);

        static float* Numbers(Tensor tensor) => tensor.DType == DType.F32
            ? (float*)Address(tensor)
            : throw new InvalidOperationException($"an F32 tensor was expected, not {tensor}");
    }

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep) =>
        Optimizers.SgdStep(F32(Written(parameter)), F32(gradient), gradientScale, F32OrNone(momentumBuffer), learningRate, momentum, weightDecay,
            nesterov, firstStep, _pool);

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x) => Elementwise.SumOfSquares(F32(x), _pool);

    /// <inheritdoc/>
    public bool AllFinite(Tensor x) => Elementwise.AllFinite(F32(x), _pool);
}

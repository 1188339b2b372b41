using System.Buffers;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Optimizer steps and reductions over gradients. None is captured, because step number and learning rate change with every
/// step.</summary>
internal sealed class CpuOptimizers(CpuStream stream, PackedWeights? packed) : CpuLauncher(stream, packed)
{
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment)
    {
        Stream.BreakCapture();
        Launch(LaunchCost.Of("AdamW", parameter, parameter, gradient, firstMoment, firstMoment, secondMoment, secondMoment),
            (step, parameter: Out(parameter), gradient: In(gradient), gradientScale, first: Out(firstMoment), second: Out(secondMoment)),
            static (c, s) => Optimizers.Step(c.step, c.parameter.F32, c.gradient.F32, c.gradientScale, c.first.F32, c.second.F32, s.Pool));
    }

    public unsafe void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        const int MovedEach = 7; // The gradient is read; parameter and moments are read and written.
        Stream.BreakCapture();
        var tasks = ArrayPool<Optimizers.AdamTask>.Shared.Rent(parameters.Length);
        double bytes = 0;
        for (int i = 0; i < parameters.Length; i++)
        {
            var (step, parameter, gradient, first, second) = parameters[i];
            tasks[i] = new Optimizers.AdamTask(step, Out(parameter).F32Data, In(gradient).F32Data, Out(first).F32Data,
                Out(second).F32Data, checked((int)parameter.Count));
            bytes += MovedEach * (double)parameter.ByteCount;
        }
        Launch(new LaunchCost("AdamW", new Work(0, bytes)), (tasks, parameters.Length, gradientScale),
            static (c, s) => Optimizers.Step(c.tasks.AsSpan(0, c.Length), c.gradientScale, s.Pool));
        ArrayPool<Optimizers.AdamTask>.Shared.Return(tasks);
    }

    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    {
        Stream.BreakCapture();
        Launch(LaunchCost.Of("SGD", parameter, parameter, gradient, momentumBuffer, momentumBuffer),
            (parameter: Out(parameter), gradient: In(gradient), gradientScale, buffer: OutOrNull(momentumBuffer), learningRate, momentum,
                weightDecay, nesterov, firstStep),
            static (c, s) => Optimizers.SgdStep(c.parameter.F32, c.gradient.F32, c.gradientScale, c.buffer.F32OrEmpty, c.learningRate,
                c.momentum, c.weightDecay, c.nesterov, c.firstStep, s.Pool));
    }

    public double SumOfSquares(Tensor x) => Stream.LaunchForHost(LaunchCost.Of("gradient norm", x), In(x),
        static (x, s) => (double)Elementwise.SumOfSquares(x.F32, s.Pool));

    public bool AllFinite(Tensor x)
    {
        Stream.BreakCapture();
        return Elementwise.AllFinite(In(x).F32, Stream.Pool);
    }
}

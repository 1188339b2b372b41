using System.Buffers;
using System.Diagnostics;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public sealed partial class CpuBackend
{
    /// <inheritdoc/>
    public void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment)
    {
        BreakCapture(); // The next step has another number and rate.
        Launch(LaunchCost.Of("AdamW", parameter, parameter, gradient, firstMoment, firstMoment, secondMoment, secondMoment),
            (step, parameter: Written(parameter), gradient: At(gradient), gradientScale, first: At(firstMoment), second: At(secondMoment)),
            static (c, cpu) => Optimizers.Step(c.step, c.parameter.F32, c.gradient.F32, c.gradientScale, c.first.F32, c.second.F32,
                cpu._pool));
    }

    /// <inheritdoc/>
    public unsafe void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        const int MovedEach = 7; // Gradients are read, everything else is read and written.
        BreakCapture();
        var tasks = ArrayPool<Optimizers.AdamTask>.Shared.Rent(parameters.Length);
        double bytes = 0;
        for (int i = 0; i < parameters.Length; i++)
        {
            var (step, parameter, gradient, first, second) = parameters[i];
            tasks[i] = new Optimizers.AdamTask(step, Numbers(Written(parameter)), Numbers(At(gradient)), Numbers(At(first)),
                Numbers(At(second)), checked((int)parameter.Count));
            bytes += MovedEach * (double)parameter.ByteCount;
        }
        Launch(new LaunchCost("AdamW", new Work(0, bytes)), (tasks, parameters.Length, gradientScale),
            static (c, cpu) => Optimizers.Step(c.tasks.AsSpan(0, c.Length), c.gradientScale, cpu._pool));
        ArrayPool<Optimizers.AdamTask>.Shared.Return(tasks);

        static float* Numbers(CpuTensorView area) => area.DType == DType.F32
            ? (float*)area.Data
            : throw new InvalidOperationException($"an F32 tensor was expected, not {area}");
    }

    /// <inheritdoc/>
    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    {
        BreakCapture();
        Launch(LaunchCost.Of("SGD", parameter, parameter, gradient, momentumBuffer, momentumBuffer),
            (parameter: Written(parameter), gradient: At(gradient), gradientScale, buffer: CpuTensorView.Of(momentumBuffer), learningRate,
                momentum,
                weightDecay, nesterov, firstStep),
            static (c, cpu) => Optimizers.SgdStep(c.parameter.F32, c.gradient.F32, c.gradientScale, c.buffer.F32OrNone, c.learningRate,
                c.momentum, c.weightDecay,
                c.nesterov, c.firstStep, cpu._pool));
    }

    /// <inheritdoc/>
    public double SumOfSquares(Tensor x)
    {
        BreakCapture();
        long start = Stopwatch.GetTimestamp();
        double sum = Elementwise.SumOfSquares(At(x).F32, _pool);
        _profile?.Add("gradient norm", Stopwatch.GetElapsedTime(start).TotalMilliseconds, new Work(0, x.ByteCount));
        return sum;
    }

    /// <inheritdoc/>
    public bool AllFinite(Tensor x)
    {
        BreakCapture();
        return Elementwise.AllFinite(At(x).F32, _pool);
    }
}

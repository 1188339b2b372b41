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
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.parameter))
                {
                    Optimizers.Step(c.step, c.parameter[part].F32, c.gradient[part].F32, c.gradientScale, c.first[part].F32,
                        c.second[part].F32, s.Pool);
                }
            });
    }

    public unsafe void AdamW(ReadOnlySpan<AdamWTensors> parameters, float gradientScale)
    {
        const int MovedEach = 7; // The gradient is read; parameter and moments are read and written.
        Stream.BreakCapture();
        int count = 0;
        double bytes = 0;
        foreach (var one in parameters)
        {
            foreach (var _ in Stream.PartsOf(In(one.Parameter)))
            {
                count++;
            }
            bytes += MovedEach * (double)one.Parameter.ByteCount;
        }
        var tasks = ArrayPool<Optimizers.AdamTask>.Shared.Rent(count);
        int task = 0;
        foreach (var (step, parameter, gradient, first, second) in parameters)
        {
            CpuTensorView p = Out(parameter), g = In(gradient), m = Out(first), v = Out(second);
            foreach (var part in Stream.PartsOf(p))
            {
                tasks[task++] = new Optimizers.AdamTask(step, p[part].F32Data, g[part].F32Data, m[part].F32Data, v[part].F32Data,
                    part.Count);
            }
        }
        Launch(new LaunchCost("AdamW", new Work(0, bytes)), (tasks, Length: count, gradientScale),
            static (c, s) => Optimizers.Step(c.tasks.AsSpan(0, c.Length), c.gradientScale, s.Pool));
        ArrayPool<Optimizers.AdamTask>.Shared.Return(tasks);
    }

    public unsafe void AdamW8Bit(ReadOnlySpan<AdamW8BitTensors> parameters, float gradientScale)
    {
        const int Block = BlockwiseAdamFactors.BlockSize;
        Stream.BreakCapture();
        List<BlockwiseAdamBody> bodies = [];
        List<SmallBlockwiseAdamBody> smallBodies = [];
        List<int> lengths = [], smallLengths = [];
        double bytes = 0;
        foreach (var (step, parameter, gradient, first, second, scales) in parameters)
        {
            var factors = BlockwiseAdamFactors.Of(step, gradientScale);
            CpuTensorView p = Out(parameter), g = In(gradient), m = Out(first), v = Out(second);
            bytes += 3 * p.ByteCount + 2 * (m.ByteCount + v.ByteCount); // The gradient is read; the rest is read and written.
            foreach (var part in Stream.PartsOf(p, Block))
            {
                if (scales is null)
                {
                    smallBodies.Add(new(factors, p[part].F32Data, g[part].F32Data, m[part].F32Data, v[part].F32Data));
                    smallLengths.Add(part.Count);
                }
                else
                {
                    long block = part.First / Block;
                    bodies.Add(new(factors, p[part].F32Data, g[part].F32Data, m[part].Data, v[part].Data,
                        Out(scales.Absmax1).F32Data + block, Out(scales.Absmax2).F32Data + block));
                    lengths.Add(part.Count);
                }
            }
        }
        var cost = new LaunchCost("8-bit AdamW", new Work(0, bytes));
        Launch(cost,
            (bodies: bodies.ToArray(), lengths: lengths.ToArray(), small: smallBodies.ToArray(), smallLengths: smallLengths.ToArray()),
            static (c, s) =>
            {
                MultiTensorLoop.For(c.bodies, c.lengths, s.Pool);
                MultiTensorLoop.For(c.small, c.smallLengths, s.Pool);
            });
    }

    public unsafe void Lion(ReadOnlySpan<LionTensors> parameters, float gradientScale)
    {
        const int MovedEach = 5; // The gradient is read; parameter and moment are read and written.
        Stream.BreakCapture();
        List<LionBody> bodies = [];
        List<int> lengths = [];
        double bytes = 0;
        foreach (var (step, parameter, gradient, moment) in parameters)
        {
            var factors = LionFactors.Of(step, gradientScale);
            CpuTensorView p = Out(parameter), g = In(gradient), m = Out(moment);
            bytes += MovedEach * (double)p.ByteCount;
            foreach (var part in Stream.PartsOf(p))
            {
                bodies.Add(new(factors, p[part].F32Data, g[part].F32Data, m[part].F32Data));
                lengths.Add(part.Count);
            }
        }
        Launch(new LaunchCost("Lion", new Work(0, bytes)), (bodies: bodies.ToArray(), lengths: lengths.ToArray()),
            static (c, s) => MultiTensorLoop.For(c.bodies, c.lengths, s.Pool));
    }

    public unsafe void Adafactor(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale)
    {
        Stream.BreakCapture();
        foreach (var one in parameters)
        {
            var (matrices, rows, columns) = one.Extents;
            var operands = new AdafactorStep.Operands((nint)Out(one.Parameter).F32Data, (nint)In(one.Gradient).F32Data,
                (nint)Out(one.Row).F32Data, one.Column is null ? 0 : (nint)Out(one.Column).F32Data, matrices, rows, columns);
            Launch(LaunchCost.Of("Adafactor", one.Parameter, one.Parameter, one.Gradient, one.Gradient, one.Gradient),
                (factors: AdafactorFactors.Of(one.Step, gradientScale), operands),
                static (c, s) => AdafactorStep.Run(c.factors, c.operands, s.Pool));
        }
    }

    public void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate, float momentum,
        float weightDecay, bool nesterov, bool firstStep)
    {
        Stream.BreakCapture();
        Launch(LaunchCost.Of("SGD", parameter, parameter, gradient, momentumBuffer, momentumBuffer),
            (parameter: Out(parameter), gradient: In(gradient), gradientScale, buffer: OutOrNull(momentumBuffer), learningRate, momentum,
                weightDecay, nesterov, firstStep),
            static (c, s) =>
            {
                foreach (var part in s.PartsOf(c.parameter))
                {
                    Optimizers.SgdStep(c.parameter[part].F32, c.gradient[part].F32, c.gradientScale, (c.buffer?[part]).F32OrEmpty,
                        c.learningRate, c.momentum, c.weightDecay, c.nesterov, c.firstStep, s.Pool);
                }
            });
    }

    public double SumOfSquares(Tensor x) => Stream.LaunchForHost(LaunchCost.Of("gradient norm", x), In(x),
        static (x, s) =>
        {
            double sum = 0;
            foreach (var part in s.PartsOf(x))
            {
                sum += Elementwise.SumOfSquares(x[part].F32, s.Pool);
            }
            return sum;
        });

    public bool AllFinite(Tensor x)
    {
        Stream.BreakCapture();
        var view = In(x);
        foreach (var part in Stream.PartsOf(view))
        {
            if (!Elementwise.AllFinite(view[part].F32, Stream.Pool))
            {
                return false;
            }
        }
        return true;
    }
}

using ILGPU;

namespace PeftCore.Kernels.Ilgpu.Portable.Elements;

/// <summary>One AdamW step of one element.</summary>
internal static class AdamStep
{
    public static void One(ArrayView<float> memory, long parameter, long gradient, long first, long second, AdamFactors f)
    {
        float g = memory[gradient] * f.Gradient;
        float m = memory[first];
        m += (g - m) * f.Blend;
        float v = (memory[second] * f.Beta2) + (g * g * f.Square);
        float denominator = (MathF.Sqrt(v) / f.Root) + f.Epsilon;
        memory[first] = m;
        memory[second] = v;
        memory[parameter] = (memory[parameter] * f.Keep) - (f.Rate * m / denominator);
    }
}

internal struct SgdArgs
{
    public ArrayView<float> Parameter, Gradient, Buffer;
    public float GradientScale, LearningRate, Momentum, WeightDecay;
    public int HasBuffer, Nesterov, FirstStep;
}

/// <summary>One step of stochastic gradient descent.</summary>
internal readonly struct SgdStep : IKernel<SgdArgs>
{
    public static void Run(SgdArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Parameter.Length)
        {
            float p = args.Parameter[i];
            float g = (args.Gradient[i] * args.GradientScale) + (p * args.WeightDecay);
            if (args.HasBuffer != 0)
            {
                float b = g;
                if (args.FirstStep == 0)
                {
                    b += args.Buffer[i] * args.Momentum;
                }

                args.Buffer[i] = b;
                g = args.Nesterov != 0 ? g + (b * args.Momentum) : b;
            }

            args.Parameter[i] = p - (g * args.LearningRate);
        }
    }
}

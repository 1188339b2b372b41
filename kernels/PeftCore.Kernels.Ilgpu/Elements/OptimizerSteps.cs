using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

internal struct AdamArgs
{
    public ArrayView<float> Parameter, Gradient, First, Second;
    public AdamFactors Factors;
}

/// <summary>One AdamW step.</summary>
internal readonly struct AdamStep : IKernel<AdamArgs>
{
    public static void Run(AdamArgs args)
    {
        long i = Threads.Linear();
        if (i < args.Parameter.Length)
        {
            AdamFactors f = args.Factors;
            float g = args.Gradient[i] * f.Gradient;
            float m = args.First[i];
            m += (g - m) * f.Blend;
            float v = (args.Second[i] * f.Beta2) + (g * g * f.Square);
            float denominator = (MathF.Sqrt(v) / f.Root) + f.Epsilon;
            args.First[i] = m;
            args.Second[i] = v;
            args.Parameter[i] = (args.Parameter[i] * f.Keep) - (f.Rate * m / denominator);
        }
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

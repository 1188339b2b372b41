using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Elements;
using PeftCore.Kernels.Ilgpu.Portable.Rows;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

internal struct CrossEntropyBf16x8Args
{
    public ArrayView<Bf16x8> Logits;
    public ArrayView<float> Losses;
    public ArrayView<int> Labels;

    /// <summary>Vectors of a row.</summary>
    public int Vectors;
    public int IgnoreLabel, WriteGradient;
    public float Scale;
}

/// <summary><see cref="CrossEntropyRows{TElement}"/> on BF16. One reading gives maximum and sum (Milakov and Gimelshein 2018, "Online
/// normalizer calculation for softmax").</summary>
internal readonly struct CrossEntropyRowsBf16x8 : IKernel<CrossEntropyBf16x8Args>
{
    public static void Run(CrossEntropyBf16x8Args args)
    {
        var shared = SharedMemory.Allocate<float>(Threads.Most);
        int r = Grid.IdxX, label = args.Labels[r];
        long row = (long)r * args.Vectors;
        if (label == args.IgnoreLabel)
        {
            for (int c = Group.IdxX; c < args.Vectors && args.WriteGradient != 0; c += Group.DimX)
            {
                args.Logits[row + c] = default;
            }

            if (Group.IdxX == 0)
            {
                args.Losses[r] = 0;
            }

            return;
        }

        float max = float.NegativeInfinity, sum = 0;
        for (int c = Group.IdxX; c < args.Vectors; c += Group.DimX)
        {
            var x = Bf16x8.ToFloat(args.Logits[row + c]);
            float largest = Float32x8.Max(x);
            if (largest > max)
            {
                sum *= MathF.Exp(max - largest);
                max = largest;
            }

            sum += Float32x8.Sum(Each<ExponentialAbove>.Apply(x, x, max));
        }

        float all = Threads.Max(shared, max);
        // A thread without elements, or with −∞ only, has the maximum −∞ and adds 0.
        sum = Threads.Sum(shared, max > float.NegativeInfinity ? sum * MathF.Exp(max - all) : 0);
        if (Group.IdxX == 0)
        {
            bool known = label >= 0 && label < 8 * args.Vectors;
            float target = known ? Element(args.Logits[row + (known ? label / 8 : 0)], label % 8) : float.NaN;
            args.Losses[r] = MathF.Log(sum) + (all - target);
        }

        Group.Barrier(); // The target is read before the gradient overwrites it.
        if (args.WriteGradient != 0)
        {
            float factor = args.Scale / sum;
            for (int c = Group.IdxX; c < args.Vectors; c += Group.DimX)
            {
                var x = Bf16x8.ToFloat(args.Logits[row + c]);
                var p = Each<ExponentialAbove>.Apply(x, x, all) * factor;
                args.Logits[row + c] = Bf16x8.FromFloat(c == label / 8 ? p - OneHot(label % 8, args.Scale) : p);
            }
        }
    }

    private static float Element(Bf16x8 stored, int index)
    {
        var x = Bf16x8.ToFloat(stored);
        float low = index == 0 ? x.A : index == 1 ? x.B : index == 2 ? x.C : x.D;
        float high = index == 4 ? x.E : index == 5 ? x.F : index == 6 ? x.G : x.H;
        return index < 4 ? low : high;
    }

    private static Float32x8 OneHot(int index, float value) => new()
    {
        A = index == 0 ? value : 0, B = index == 1 ? value : 0, C = index == 2 ? value : 0, D = index == 3 ? value : 0,
        E = index == 4 ? value : 0, F = index == 5 ? value : 0, G = index == 6 ? value : 0, H = index == 7 ? value : 0,
    };
}

/// <summary>exp(a − scalar).</summary>
internal readonly struct ExponentialAbove : IPointwise
{
    public static float Apply(float a, float b, float scalar) => MathF.Exp(a - scalar);
}

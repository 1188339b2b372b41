using PeftCore.Nn;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.FourierFt;

/// <summary>The Fourier basis of the chosen frequencies, for layers of one shape. The entry (p, q) of the spectrum contributes the matrix
/// cos(2π(p·o/out + q·i/in)) = cos(2πpo/out)·cos(2πqi/in) − sin(2πpo/out)·sin(2πqi/in), which has rank 2.</summary>
internal sealed class FourierBasis
{
    public FourierBasis(AttachContext context, Linear layer, int count, ulong seed)
    {
        int inputs = layer.Inputs, outputs = layer.Outputs;
        if (context.Backend.IsMeta)
        {
            (A, B) = (context.NewConstant([2 * count, inputs]), context.NewConstant([outputs, 2 * count]));
            return;
        }
        long[] chosen = new TorchRandom(seed).Permutation((long)inputs * outputs, count);
        float[] a = new float[2 * count * inputs], b = new float[outputs * 2 * count];
        double[] inputAngles = Angles(inputs), outputAngles = Angles(outputs);
        for (int k = 0; k < count; k++)
        {
            int p = (int)(chosen[k] / inputs), q = (int)(chosen[k] % inputs);
            for (int i = 0; i < inputs; i++)
            {
                double angle = inputAngles[(int)((long)q * i % inputs)];
                (a[k * inputs + i], a[(count + k) * inputs + i]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
            }
            for (int o = 0; o < outputs; o++)
            {
                double angle = outputAngles[(int)((long)p * o % outputs)];
                (b[o * 2 * count + k], b[o * 2 * count + count + k]) = ((float)Math.Cos(angle), (float)-Math.Sin(angle));
            }
        }
        (A, B) = (context.NewConstant(a, [2 * count, inputs]), context.NewConstant(b, [outputs, 2 * count]));
    }

    /// <summary>(2n, in): cosines, then sines.</summary>
    public Tensor A { get; }

    /// <summary>(out, 2n): cosines, then minus sines.</summary>
    public Tensor B { get; }

    private static double[] Angles(int length) => [.. Enumerable.Range(0, length).Select(i => 2 * Math.PI * i / length)];
}

using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Attention sinks (Agarwal et al. 2025, gpt-oss): one more logit a head in the softmax's denominator that attends to no
/// key.</summary>
internal static unsafe class AttentionSink
{
    /// <summary>Adds e^(sink − max) to the denominator of a row. <paramref name="factor"/> turns the row's sums of e^(score − old max) into
    /// those of probabilities.</summary>
    public static void AddTo(ref float max, ref float total, float sink, out float factor)
    {
        float shift = MathF.Max(max, sink), rescale = MathF.Exp(max - shift);
        total = (total * rescale) + MathF.Exp(sink - shift);
        factor = rescale / total;
        max = shift;
    }

    /// <summary>dSinks[h] −= Σ P_sink·delta over batch rows and queries, with P_sink = e^(sink − lse): the sink's value is zero, so that
    /// of P·(dP − delta) only −P_sink·delta is left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddGradient(in AttentionShape shape, float* sinks, float* lse, float* delta, float* dSinks)
    {
        for (int h = 0; h < shape.Heads; h++)
        {
            double sum = 0;
            for (int b = 0; b < shape.Batch && sinks[h] > float.NegativeInfinity; b++)
            {
                long row = (((long)b * shape.Heads) + h) * shape.QueryLength;
                for (int i = 0; i < shape.QueryLength; i++)
                {
                    sum += MathF.Exp(sinks[h] - lse[row + i]) * delta[row + i];
                }
            }

            dSinks[h] -= (float)sum;
        }
    }
}

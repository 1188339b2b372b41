using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoftQ (Li et al. 2023, arXiv 2310.08659, algorithm 1): W ≈ Q + s·B·A. Each iteration rounds W − s·B·A to NF4, which gives Q,
/// and factors the error W − Q, which gives A and B. Q replaces W while the adapter is active.</summary>
internal static class LoftqInit
{
    private const int BlockSize = 64;

    /// <summary>The levels of NF4: quantiles of the normal distribution (Dettmers et al. 2023, QLoRA, appendix E).</summary>
    private static readonly float[] Levels =
    [
        -1f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
        -0.09105003625154495f, 0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
        0.7229568362236023f, 1f,
    ];

    /// <summary>Fills A and B, and swaps the layer's weight for Q.</summary>
    public static void Fill(AttachContext context, string path, Linear layer, Parameter a, Parameter b, float scale, int iterations)
    {
        var quantized = context.NewFrozen(layer.Weight);
        if (!context.Backend.IsMeta)
        {
            var (q, factors) = Solve(BaseWeight.ToDouble(path, layer), layer, a.Shape[0], scale, iterations);
            factors.Upload(a.Value, b.Value);
            Store(layer.Transposed ? Dense.Transpose(q, layer.Outputs, layer.Inputs) : q, quantized.Value);
        }
        context.Adapter.Swaps.Add(new ParameterSwap(layer, "weight", new AdapterParameter(path, "base_layer.weight", "base_layer.weight",
            quantized), trainable: false));
    }

    /// <param name="weight">W (out, in).</param>
    /// <param name="layer">The layer.</param>
    /// <param name="r">The rank.</param>
    /// <param name="scale">s</param>
    /// <param name="iterations">Number of iterations.</param>
    /// <returns>Q (out, in) and the factors.</returns>
    private static (double[] Q, LowRankFactors Factors) Solve(double[] weight, Linear layer, int r, double scale, int iterations)
    {
        double[] residual = weight, q = [];
        LowRankFactors? factors = null;
        for (int i = 0; i < iterations; i++)
        {
            q = Round(residual);
            factors = PissaInit.Solve([.. weight.Zip(q, (w, level) => w - level)], layer, r, scale);
            residual = [.. weight.Zip(factors.Product(), (w, product) => w - scale * product)];
        }
        return (q, factors!);
    }

    /// <summary>Rounds each number to the nearest level, in blocks scaled by their largest magnitude.</summary>
    private static double[] Round(double[] values)
    {
        double[] rounded = new double[values.Length];
        for (int first = 0; first < values.Length; first += BlockSize)
        {
            var block = values.AsSpan(first, Math.Min(BlockSize, values.Length - first));
            float largest = 0;
            foreach (double value in block)
            {
                largest = Math.Max(largest, (float)Math.Abs(value));
            }
            for (int i = 0; i < block.Length && largest > 0; i++)
            {
                float x = (float)(block[i] / largest);
                rounded[first + i] = Levels.MinBy(level => Math.Abs(level - x)) * largest;
            }
        }
        return rounded;
    }

    /// <summary>Writes values into a weight, rounded once to its dtype.</summary>
    private static void Store(double[] values, Tensor weight)
    {
        using var scope = new TensorScope();
        var wide = weight.NewLike(weight.Shape, DType.F32);
        wide.Upload<float>(Array.ConvertAll(values, x => (float)x));
        wide.Backend.Cast(wide, weight);
    }
}

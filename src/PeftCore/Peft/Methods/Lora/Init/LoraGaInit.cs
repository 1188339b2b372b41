using PeftCore.Nn;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>LoRA-GA (Wang et al. 2024, arXiv 2407.05000): A and B span singular directions of the weight's gradient, so that the first step
/// follows that of full fine-tuning; their product is subtracted from W.</summary>
internal static class LoraGaInit
{
    /// <param name="gradient">∂L/∂W (out, in).</param>
    /// <param name="weight">Reads W (out, in), which one of the scales needs.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="r">The rank.</param>
    /// <param name="scale">s</param>
    /// <param name="settings">The choice of directions and their scaling.</param>
    /// <param name="random">Draws the directions of <see cref="LoraGaDirection.Random"/>.</param>
    /// <exception cref="BadInputException">The layer has fewer than 2·r singular directions.</exception>
    public static LowRankFactors Solve(double[] gradient, Func<double[]> weight, Linear layer, int r, double scale, Calibration settings,
        Random random)
    {
        int n = layer.Inputs, m = layer.Outputs;
        if (2 * r > Math.Min(n, m))
        {
            throw new BadInputException(
                $"LoRA-GA takes two times the rank of singular directions; rank {r} is too much for a layer of {m} × {n}; choose " +
                $"{Math.Min(n, m) / 2} or less");
        }
        var (u, s, v) = Factorization.TruncatedSvd(gradient, m, n, 2 * r); // (out, 2r), (2r), (2r, in)
        var (ofA, ofB) = Directions(settings.Direction, r, random);
        double first = s[ofB[0]];
        double factorA = settings.Scale == LoraGaScale.GdScale ? 1 / scale : 1;
        double factorB = settings.Scale switch
        {
            LoraGaScale.Stable => Math.Pow(m, 0.25) / Math.Sqrt(settings.StableGamma),
            LoraGaScale.WeightSvd when first > 0 => Factorization.TruncatedSvd(weight(), m, n, 1).S[0] / first,
            LoraGaScale.GdScale => 1 / scale,
            _ => 1,
        };
        double[] a = new double[r * n], b = new double[m * r];
        for (int i = 0; i < r; i++)
        {
            for (int k = 0; k < n; k++)
            {
                a[i * n + k] = v[ofA[i] * n + k] * factorA;
            }
            for (int o = 0; o < m; o++)
            {
                b[o * r + i] = u[o * 2 * r + ofB[i]] * s[ofB[i]] * factorB;
            }
        }
        return new LowRankFactors(a, b, r, n, m, scale);
    }

    /// <summary>Indices of the singular directions of A and of B.</summary>
    private static (int[] OfA, int[] OfB) Directions(LoraGaDirection direction, int r, Random random)
    {
        int[] first = [.. Enumerable.Range(0, r)], next = [.. Enumerable.Range(r, r)];
        switch (direction)
        {
            case LoraGaDirection.ArB2r:
                return (first, next);
            case LoraGaDirection.A2rBr:
                return (next, first);
            case LoraGaDirection.ArBr:
                return ([.. first.Select(i => 2 * i + 1)], [.. first.Select(i => 2 * i)]);
            default:
                int[] drawn = [.. first, .. next];
                random.Shuffle(drawn);
                return (drawn[..r], drawn[..r]);
        }
    }
}

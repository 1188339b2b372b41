using PeftCore.Nn;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>CorDA (Yang et al. 2024, arXiv 2406.05223): with C the covariance of a layer's inputs and W·C = U·S·Vᵀ, the factors are r
/// directions of U·√S and √S·Vᵀ·C⁻¹, whose product is subtracted from W: the directions that the data use most ("ipm"), or least, which
/// preserves what the base computes on these data ("kpm").</summary>
internal static class CordaInit
{
    /// <summary>Damping: this fraction of the mean diagonal of C is added to its diagonal, so that C is invertible.</summary>
    private const double Damping = 0.01;

    /// <param name="weight">W (out, in).</param>
    /// <param name="layer">The layer.</param>
    /// <param name="r">The rank.</param>
    /// <param name="scale">s</param>
    /// <param name="inputs">Input statistics of the layer.</param>
    /// <param name="settings">Chooses between "ipm" and "kpm".</param>
    public static LowRankFactors Solve(double[] weight, Linear layer, int r, double scale, InputStatistics inputs, Calibration settings)
    {
        int n = layer.Inputs, m = layer.Outputs, all = Math.Min(n, m);
        var (covariance, _, rows) = inputs.Of(layer);
        double mean = Enumerable.Range(0, n).Average(i => covariance[i * (n + 1)]) / Math.Max(1, rows);
        for (int i = 0; i < covariance.Length; i++)
        {
            covariance[i] = covariance[i] / Math.Max(1, rows) + (i % (n + 1) == 0 ? Damping * mean : 0);
        }
        double[] product = Dense.Multiply(weight, covariance, m, n, n);
        int first = settings.KeepKnowledge ? all - r : 0, width = settings.KeepKnowledge ? all : r;
        var (u, s, v) = Factorization.TruncatedSvd(product, m, n, width); // (out, width), (width), (width, in)
        double[] scaledV = Dense.Multiply(v, Inverse(covariance, n), width, n, n); // Vᵀ·C⁻¹
        double[] a = new double[r * n], b = new double[m * r];
        for (int i = 0; i < r; i++)
        {
            double root = Math.Sqrt(s[first + i] / scale);
            for (int k = 0; k < n; k++)
            {
                a[i * n + k] = scaledV[(first + i) * n + k] * root;
            }
            for (int o = 0; o < m; o++)
            {
                b[o * r + i] = u[o * width + first + i] * root;
            }
        }
        return new LowRankFactors(a, b, r, n, m, scale);
    }

    /// <summary>The inverse of a symmetric matrix (n, n), by its eigenvalues.</summary>
    private static double[] Inverse(double[] matrix, int n)
    {
        var (values, vectors) = SymmetricEigen.Solve([.. matrix], n);
        double[] scaled = [.. vectors];
        for (int i = 0; i < scaled.Length; i++)
        {
            scaled[i] /= values[i / n];
        }
        return Dense.Multiply(Dense.Transpose(vectors, n, n), scaled, n, n, n);
    }
}

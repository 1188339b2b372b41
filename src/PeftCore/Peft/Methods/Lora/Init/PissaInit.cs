using PeftCore.Nn;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>PiSSA (Meng et al. 2024, arXiv 2404.02948): s·B·A is initialised with the best approximation of W of rank r, whose singular
/// values are split evenly over both factors, and is subtracted from W. The singular vectors are exact, whatever number of iterations a
/// file names.</summary>
internal static class PissaInit
{
    /// <param name="weight">W (out, in).</param>
    /// <param name="layer">The layer.</param>
    /// <param name="r">The rank.</param>
    /// <param name="scale">s</param>
    public static LowRankFactors Solve(double[] weight, Linear layer, int r, double scale)
    {
        var (u, s, v) = Factorization.TruncatedSvd(weight, layer.Outputs, layer.Inputs, r); // (out, r), (r), (r, in)
        for (int i = 0; i < u.Length; i++)
        {
            u[i] *= Math.Sqrt(s[i % r] / scale);
        }
        for (int i = 0; i < v.Length; i++)
        {
            v[i] *= Math.Sqrt(s[i / layer.Inputs] / scale);
        }
        return new LowRankFactors(v, u, r, layer.Inputs, layer.Outputs, scale);
    }
}

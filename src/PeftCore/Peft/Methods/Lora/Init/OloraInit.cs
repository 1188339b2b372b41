using PeftCore.Nn;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>OLoRA (Büyükakyüz 2024, arXiv 2406.01775): with W = Q·R, B is initialised with the first r columns of Q and A with the first r
/// rows of R; s·B·A is subtracted from W.</summary>
internal static class OloraInit
{
    /// <param name="weight">W (out, in).</param>
    /// <param name="layer">The layer.</param>
    /// <param name="r">The rank.</param>
    public static LowRankFactors Solve(double[] weight, Linear layer, int r)
    {
        var (q, upper) = Factorization.TruncatedQr(weight, layer.Outputs, layer.Inputs, r); // (out, r), (r, in)
        return new LowRankFactors(upper, q, r, layer.Inputs, layer.Outputs, 1);
    }
}

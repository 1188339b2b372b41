using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Oft;

/// <summary>Orthogonal matrices from skew-symmetric ones: R = (I − Q)·(I + Q)⁻¹ (Cayley 1846).</summary>
internal static class Cayley
{
    /// <summary>Cayley transform by an inverse: R = 2·(I + Q)⁻¹ − I.</summary>
    /// <param name="q">(n, b, b)</param>
    public static Tensor Exact(Tensor q)
    {
        var identity = Identity(q);
        return (q + identity).Inverse() * 2 - identity;
    }

    /// <summary>Cayley transform by a Neumann series of k terms: I + 2Q + 2Q² + … + Qᵏ⁻¹ (Qiu et al. 2025, OFTv2). The last power has
    /// factor 1, as in Hugging Face PEFT.</summary>
    public static Tensor Series(Tensor q, int terms)
    {
        var sum = Identity(q);
        if (terms > 1)
        {
            sum += q * 2;
        }
        if (terms > 2)
        {
            var power = q.MatMulEach(q);
            sum += power * 2;
            for (int i = 3; i < terms - 1; i++)
            {
                power = power.MatMulEach(q);
                sum += power * 2;
            }
            sum += power.MatMulEach(q);
        }
        return sum;
    }

    private static Tensor Identity(Tensor q) => Constants.Identities(q.Backend, q.Shape[0], q.Shape[1]);
}

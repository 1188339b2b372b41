using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>LoftQ (Li et al. 2023): a base weight is rounded to NF4 and the low-rank factors start at what that lost, W ≈ Q + s·B·A, in
/// turns.</summary>
internal static class LoftQ
{
    private const int Block = 64;

    /// <summary>Quantiles of the normal distribution (Dettmers et al. 2023, QLoRA, appendix E).</summary>
    private static readonly float[] Levels =
    [
        -1f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
        -0.09105003625154495f, 0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
        0.7229568362236023f, 1f,
    ];

    /// <summary>Rounds and factors.</summary>
    /// <param name="weight">(out, in)</param>
    /// <param name="m">Outputs.</param>
    /// <param name="n">Inputs.</param>
    /// <param name="r">The rank.</param>
    /// <param name="scale">s.</param>
    /// <param name="turns">How often it is rounded.</param>
    /// <returns>Q (out, in) and the factors.</returns>
    public static (double[] Rounded, InitialFactors Factors) Solve(double[] weight, int m, int n, int r, double scale, int turns)
    {
        double[] rest = weight, rounded = [];
        var factors = new InitialFactors([], []);
        for (int turn = 0; turn < turns; turn++)
        {
            rounded = Round(rest);
            var (u, s, v) = Factorization.TruncatedSvd(Minus(weight, rounded), m, n, r);
            for (int i = 0; i < u.Length; i++)
            {
                u[i] *= Math.Sqrt(s[i % r] / scale);
            }
            for (int i = 0; i < v.Length; i++)
            {
                v[i] *= Math.Sqrt(s[i / n] / scale);
            }
            factors = new InitialFactors(v, u);
            double[] product = Dense.Multiply(u, v, m, r, n);
            rest = [.. weight.Select((w, i) => w - scale * product[i])];
        }
        return (rounded, factors);
    }

    /// <summary>The nearest level of each number, in blocks that share their largest magnitude.</summary>
    public static double[] Round(double[] values)
    {
        double[] rounded = new double[values.Length];
        for (int first = 0; first < values.Length; first += Block)
        {
            var block = values.AsSpan(first, Math.Min(Block, values.Length - first));
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

    private static double[] Minus(double[] a, double[] b) => [.. a.Select((x, i) => x - b[i])];
}

namespace PeftCore.Lessons;

/// <summary>The state of a softmax over a piece of the keys: the largest score, Σ e^(score − m), and Σ e^(score − m)·v.</summary>
/// <param name="M">The largest score; −∞ if there was no key.</param>
/// <param name="L">Σ e^(score − m).</param>
/// <param name="O">Σ e^(score − m)·v.</param>
public sealed record SoftmaxPiece(double M, double L, double[] O);

/// <summary>Exercise 12: two pieces of a softmax become one.</summary>
public static class AttentionCheck
{
    /// <summary>Compares joined pieces with the softmax over all keys.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="join">The piece of all keys of two pieces.</param>
    public static int Run(string[] args, Func<SoftmaxPiece, SoftmaxPiece, SoftmaxPiece> join) => Check.Run(args, "12-attention",
        "joined pieces give the softmax over all keys, also for large scores and for a piece without keys", () =>
        {
            double[] scores = [1, 3, -2, 2.5, 0], v = [1, -1, 2, 0.5, 3];
            Agrees(scores, v, 2, "the pieces' sums have different maxima: multiply each by e^(m − the larger m)");
            Agrees([.. scores.Select(s => s + 800)], v, 3, "the scores are large: e^800 overflows, e^(score − m) does not");
            Agrees([.. scores.Reverse()], v, 4, "the larger maximum may be in either piece");
            Agrees(scores, v, 5, "a piece without keys has m = −∞, l = 0; nothing of it counts");

            void Agrees(double[] s, double[] values, int cut, string why)
            {
                var whole = Piece(s, values);
                var joined = join(Piece(s[..cut], values[..cut]), Piece(s[cut..], values[cut..]));
                double expected = whole.O[0] / whole.L, answer = joined.O[0] / joined.L;
                Check.That(Math.Abs(answer - expected) < 1e-9, $"o/l is {answer:0.0000} and should be {expected:0.0000}: {why}");
                Check.That(Math.Abs(joined.M + Math.Log(joined.L) - whole.M - Math.Log(whole.L)) < 1e-9,
                    $"m + ln l differs from that of all keys: {why}");
            }
        });

    private static SoftmaxPiece Piece(double[] scores, double[] values)
    {
        double m = scores.DefaultIfEmpty(double.NegativeInfinity).Max();
        double[] weights = [.. scores.Select(s => Math.Exp(s - m))];
        return new(m, weights.Sum(), [weights.Zip(values, (w, x) => w * x).Sum()]);
    }
}

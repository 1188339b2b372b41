using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

/// <summary>Attention by its definition in double precision, with the gradients of Σ dO·O. Operands are dense (batch, token, head,
/// dim).</summary>
internal sealed class AttentionReference(AttentionShape shape, double[] q, double[] k, double[] v, int[] ranges, double[] slopes,
    double[] bias)
{
    public double[] O { get; } = new double[shape.Batch * shape.QueryLength * shape.Heads * shape.HeadDim];

    public double[] Lse { get; } = new double[shape.Batch * shape.Heads * shape.QueryLength];

    public double[] Dq { get; } = new double[q.Length];

    public double[] Dk { get; } = new double[k.Length];

    public double[] Dv { get; } = new double[v.Length];

    public double[] DBias { get; } = new double[bias.Length];

    public double Forward(double[] dO)
    {
        Array.Clear(O);
        Each((b, h, i, p, _, keys) =>
        {
            foreach (int j in keys)
            {
                for (int d = 0; d < shape.HeadDim; d++)
                {
                    O[Query(b, i, h) + d] += p[j] * v[Key(b, j, h) + d];
                }
            }
        });
        return O.Zip(dO, (x, y) => x * y).Sum();
    }

    public void Backward(double[] dO) => Each((b, h, i, p, bent, keys) =>
    {
        double[] dp = new double[shape.KeyLength];
        double delta = 0;
        foreach (int j in keys)
        {
            for (int d = 0; d < shape.HeadDim; d++)
            {
                dp[j] += dO[Query(b, i, h) + d] * v[Key(b, j, h) + d];
                Dv[Key(b, j, h) + d] += p[j] * dO[Query(b, i, h) + d];
            }

            delta += p[j] * dp[j];
        }

        foreach (int j in keys)
        {
            double ds = p[j] * (dp[j] - delta);
            if (bias.Length > 0)
            {
                DBias[Bias(h, i, j)] += ds;
            }

            for (int d = 0; d < shape.HeadDim; d++)
            {
                Dq[Query(b, i, h) + d] += ds * bent[j] * shape.Scale * k[Key(b, j, h) + d];
                Dk[Key(b, j, h) + d] += ds * bent[j] * shape.Scale * q[Query(b, i, h) + d];
            }
        }
    });

    private void Each(Action<int, int, int, double[], double[], int[]> row)
    {
        for (int b = 0; b < shape.Batch; b++)
        {
            for (int h = 0; h < shape.Heads; h++)
            {
                for (int i = 0; i < shape.QueryLength; i++)
                {
                    int at = (b * shape.QueryLength) + i, absolute = i + shape.KeyLength - shape.QueryLength;
                    int from = ranges.Length == 0 ? 0 : ranges[2 * at], to = ranges.Length == 0 ? Math.Max(0, absolute + 1)
                        : ranges[(2 * at) + 1];
                    int[] keys = [.. Enumerable.Range(from, Math.Max(0, to - from))];
                    double[] s = new double[shape.KeyLength], bent = new double[shape.KeyLength];
                    foreach (int j in keys)
                    {
                        double dot = 0;
                        for (int d = 0; d < shape.HeadDim; d++)
                        {
                            dot += q[Query(b, i, h) + d] * k[Key(b, j, h) + d];
                        }

                        dot *= shape.Scale;
                        double t = shape.SoftCap == 0 ? 0 : Math.Tanh(dot / shape.SoftCap);
                        bent[j] = 1 - (t * t);
                        s[j] = (shape.SoftCap == 0 ? dot : shape.SoftCap * t) + (slopes.Length == 0 ? 0 : slopes[h] * (j - absolute))
                            + (bias.Length == 0 ? 0 : bias[Bias(h, i, j)]);
                    }

                    double max = keys.Length == 0 ? 0 : keys.Max(j => s[j]), sum = keys.Sum(j => Math.Exp(s[j] - max));
                    Lse[(((b * shape.Heads) + h) * shape.QueryLength) + i] = keys.Length == 0 ? double.NegativeInfinity : max +
                        Math.Log(sum);
                    row(b, h, i, [.. s.Select(x => Math.Exp(x - max) / sum)], bent, keys);
                }
            }
        }
    }

    private int Query(int b, int i, int h) => ((((b * shape.QueryLength) + i) * shape.Heads) + h) * shape.HeadDim;

    private int Key(int b, int j, int h) => ((((b * shape.KeyLength) + j) * shape.KeyHeads) + (h / (shape.Heads / shape.KeyHeads))) *
        shape.HeadDim;

    private int Bias(int h, int i, int j)
    {
        int head = bias.Length == shape.QueryLength * shape.KeyLength ? 0 : h;
        return (((head * shape.QueryLength) + i) * shape.KeyLength) + j;
    }
}

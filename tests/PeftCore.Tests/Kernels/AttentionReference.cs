using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

/// <summary>Attention by its definition in double precision, with the gradients of Σ dO·O. Operands are dense (batch, token, head,
/// dim); a bias is (batch or 1, heads or 1, queries, keys).</summary>
internal sealed class AttentionReference(AttentionShape shape, double[] q, double[] k, double[] v, int[] ranges, double[] slopes,
    double[] bias)
{
    public double[] O { get; } = new double[shape.Batch * shape.QueryLength * shape.Heads * shape.ValueDim];

    public double[] Lse { get; } = new double[shape.Batch * shape.Heads * shape.QueryLength];

    public double[] Dq { get; } = new double[q.Length];

    public double[] Dk { get; } = new double[k.Length];

    public double[] Dv { get; } = new double[v.Length];

    public double[] DBias { get; } = new double[bias.Length];

    public BiasStrides BiasStrides { get; init; } = BiasStrides.Of(shape,
        perBatch: bias.Length > (long)shape.Heads * shape.QueryLength * shape.KeyLength,
        perHead: bias.Length > (long)shape.QueryLength * shape.KeyLength);

    public double[] Sinks { get; init; } = [];

    public double[] DSinks { get; } = new double[shape.Heads];

    public AttentionDropout Dropout { get; init; }

    public double Forward(double[] dO)
    {
        Array.Clear(O);
        Each((b, h, i, p, _, keys) =>
        {
            foreach (int j in keys)
            {
                for (int d = 0; d < shape.ValueDim; d++)
                {
                    O[Output(b, i, h) + d] += p[j] * Kept(b, h, i, j) * v[Value(b, j, h) + d];
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
            double kept = Kept(b, h, i, j);
            for (int d = 0; d < shape.ValueDim; d++)
            {
                dp[j] += kept * dO[Output(b, i, h) + d] * v[Value(b, j, h) + d];
                Dv[Value(b, j, h) + d] += p[j] * kept * dO[Output(b, i, h) + d];
            }

            delta += p[j] * dp[j];
        }

        if (Sinks.Length > 0)
        {
            DSinks[h] -= delta * (1 - keys.Sum(j => p[j]));
        }

        foreach (int j in keys)
        {
            double ds = p[j] * (dp[j] - delta);
            if (bias.Length > 0)
            {
                DBias[Bias(b, h, i, j)] += ds;
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
                            + (bias.Length == 0 ? 0 : bias[Bias(b, h, i, j)]);
                    }

                    double max = keys.Select(j => s[j]).Append(Sinks.Length == 0 ? double.NegativeInfinity : Sinks[h]).Max();
                    double sum = double.IsInfinity(max) ? 0
                        : keys.Sum(j => Math.Exp(s[j] - max)) + (Sinks.Length == 0 ? 0 : Math.Exp(Sinks[h] - max));
                    Lse[(((b * shape.Heads) + h) * shape.QueryLength) + i] = sum == 0 ? double.NegativeInfinity : max + Math.Log(sum);
                    row(b, h, i, [.. s.Select(x => sum == 0 ? 0 : Math.Exp(x - max) / sum)], bent, keys);
                }
            }
        }
    }

    private double Kept(int b, int h, int i, int j)
    {
        if (!Dropout.Active)
        {
            return 1;
        }

        ulong first = AttentionDropout.RowStart(((((long)b * shape.Heads) + h) * shape.QueryLength) + i, shape.KeyLength);
        return Philox.Uniform(Dropout.Seed, Dropout.Stream, first + (ulong)j) >= Dropout.Probability ? 1 / (1.0 - Dropout.Probability) : 0;
    }

    private int Query(int b, int i, int h) => ((((b * shape.QueryLength) + i) * shape.Heads) + h) * shape.HeadDim;

    private int Output(int b, int i, int h) => ((((b * shape.QueryLength) + i) * shape.Heads) + h) * shape.ValueDim;

    private int Key(int b, int j, int h) => KeyHead(b, j, h) * shape.HeadDim;

    private int Value(int b, int j, int h) => KeyHead(b, j, h) * shape.ValueDim;

    private int KeyHead(int b, int j, int h) => (((b * shape.KeyLength) + j) * shape.KeyHeads) + (h / (shape.Heads / shape.KeyHeads));

    private int Bias(int b, int h, int i, int j) =>
        (int)((b * BiasStrides.Batch) + (h * BiasStrides.Head)) + (i * shape.KeyLength) + j;
}

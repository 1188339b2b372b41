using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Ops by their definitions, in double precision, on row-major arrays.</summary>
internal static class Naive
{
    /// <summary>(m, k) times (k, n); a is stored (k, m) and b (n, k) where transposed.</summary>
    public static double[] MatMul(double[] a, double[] b, int m, int k, int n, bool transposeA = false, bool transposeB = false)
    {
        double[] c = new double[m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                for (int p = 0; p < k; p++)
                {
                    c[i * n + j] += a[transposeA ? p * m + i : i * k + p] * b[transposeB ? j * k + p : p * n + j];
                }
            }
        }
        return c;
    }

    public static double[] Rows(double[] x, double[] row, Func<double, double, double> f) =>
        [.. x.Select((value, i) => f(value, row[i % row.Length]))];

    public static double[] Zip(double[] a, double[] b, Func<double, double, double> f) => [.. a.Zip(b, f)];

    public static double[] Scale(double[] x, double factor) => Array.ConvertAll(x, value => factor * value);

    /// <summary>The factor of a kept element, and 0 for a dropped one.</summary>
    public static double[] DropoutMask(int count, float probability, ulong seed, ulong stream) =>
        [.. Enumerable.Range(0, count).Select(i => Philox.Uniform(seed, stream, (ulong)i) >= probability ? 1 / (1 - (double)probability)
            : 0)];

    public static double[] RmsNorm(double[] x, double[] weight, double epsilon, double offset) =>
        PerRow(x, weight.Length, row =>
        {
            double rstd = 1 / Math.Sqrt(row.Average(value => value * value) + epsilon);
            return [.. row.Select((value, c) => value * rstd * (offset + weight[c]))];
        });

    public static double[] LayerNorm(double[] x, double[] weight, double[]? bias, double epsilon) =>
        PerRow(x, weight.Length, row =>
        {
            double mean = row.Average();
            double rstd = 1 / Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + epsilon);
            return [.. row.Select((value, c) => (value - mean) * rstd * weight[c] + (bias?[c] ?? 0))];
        });

    public static double[] Softmax(double[] x, int columns) =>
        PerRow(x, columns, row =>
        {
            double max = row.Max(), sum = row.Sum(value => Math.Exp(value - max));
            return [.. row.Select(value => Math.Exp(value - max) / sum)];
        });

    /// <summary>Σ −log softmax(logits)[target] over rows with a target, divided by the denominator.</summary>
    public static double CrossEntropy(double[] logits, int[] targets, int columns, double denominator)
    {
        double sum = 0;
        for (int r = 0; r < targets.Length; r++)
        {
            double[] row = logits[(r * columns)..((r + 1) * columns)];
            double max = row.Max();
            sum += targets[r] < 0 ? 0 : max + Math.Log(row.Sum(value => Math.Exp(value - max))) - row[targets[r]];
        }
        return sum / denominator;
    }

    /// <summary>Σ −log p(labels | logits) over rows, the blank being symbol 0: p is the sum over all sequences of states, computed with
    /// plain probabilities.</summary>
    public static double Ctc(double[] logits, int length, int classes, int[] labels, int[] frames, bool isMean)
    {
        int most = frames.Length == 0 ? 0 : labels.Length / frames.Length;
        double[] p = Softmax(logits, classes);
        double sum = 0;
        for (int row = 0; row < frames.Length; row++)
        {
            int[] own = [.. labels[(row * most)..((row + 1) * most)].Where(label => label >= 0)];
            int[] symbols = [0, .. own.SelectMany(label => (int[])[label, 0])];
            double[] reach = new double[symbols.Length];
            for (int t = 0; t < frames[row]; t++)
            {
                double[] before = reach;
                reach = [.. symbols.Select((symbol, s) => p[(row * length + t) * classes + symbol]
                    * (t == 0 ? s < 2 ? 1 : 0 : before[s] + (s > 0 ? before[s - 1] : 0)
                        + (s > 1 && symbol != 0 && symbol != symbols[s - 2] ? before[s - 2] : 0)))];
            }
            sum -= Math.Log(reach[^1] + (reach.Length > 1 ? reach[^2] : 0)) / (isMean ? Math.Max(1, own.Length) : 1);
        }
        return sum;
    }

    /// <summary>Rotates pairs of columns in each head of each row by position·frequency.</summary>
    public static double[] Rope(double[] x, int columns, int heads, int offset, int stride, int[] positions, double[] frequencies,
        bool interleaved)
    {
        double[] y = (double[])x.Clone();
        for (int r = 0; r < positions.Length; r++)
        {
            for (int h = 0; h < heads; h++)
            {
                for (int i = 0; i < frequencies.Length; i++)
                {
                    int head = r * columns + offset + h * stride;
                    int first = head + (interleaved ? 2 * i : i), second = head + (interleaved ? 2 * i + 1 : i + frequencies.Length);
                    (double sin, double cos) = Math.SinCos(positions[r] * frequencies[i]);
                    y[first] = x[first] * cos - x[second] * sin;
                    y[second] = x[second] * cos + x[first] * sin;
                }
            }
        }
        return y;
    }

    /// <summary>The gated delta rule by its definition, head by head: v holds q, k, v, g and beta.</summary>
    public static double[] GatedDelta(double[][] v, int[] positions, int length, int keyHeads, int valueHeads, int keys, int values)
    {
        double[] o = new double[v[2].Length];
        for (int head = 0; head < valueHeads; head++)
        {
            double[,] state = new double[keys, values];
            for (int row = 0; row < positions.Length; row++)
            {
                int scalar = row * valueHeads + head, at = scalar * values;
                int key = (row * keyHeads + head * keyHeads / valueHeads) * keys;
                double decay = row % length == 0 || positions[row] == 0 ? 0 : Math.Exp(v[3][scalar]);
                for (int c = 0; c < values; c++)
                {
                    double read = 0;
                    for (int r = 0; r < keys; r++)
                    {
                        state[r, c] *= decay;
                        read += state[r, c] * v[1][key + r];
                    }
                    for (int r = 0; r < keys; r++)
                    {
                        state[r, c] += v[1][key + r] * v[4][scalar] * (v[2][at + c] - read);
                        o[at + c] += state[r, c] * v[0][key + r];
                    }
                }
            }
        }
        return o;
    }

    /// <summary>Some columns of each row.</summary>
    public static double[] Columns(double[] x, int columns, int start, int count) => PerRow(x, columns, row => row[start..(start + count)]);

    /// <summary>Sums along one of three axes.</summary>
    public static double[] SumAlong(double[] x, Shape shape, int axis)
    {
        int inner = axis == 0 ? shape[1] * shape[2] : axis == 1 ? shape[2] : 1;
        int outer = axis == 0 ? 1 : axis == 1 ? shape[0] : shape[0] * shape[1];
        double[] y = new double[outer * inner];
        for (int i = 0; i < x.Length; i++)
        {
            y[i / (inner * shape[axis]) * inner + i % inner] += x[i];
        }
        return y;
    }

    /// <summary>Each (m, n) matrix transposed.</summary>
    public static double[] Transpose(double[] x, int m, int n) =>
        [.. x.Chunk(Math.Max(1, m * n)).SelectMany(matrix => Enumerable.Range(0, m * n).Select(i => matrix[i % m * n + i / m]))];

    private static double[] PerRow(double[] x, int columns, Func<double[], double[]> f) => [.. x.Chunk(columns).SelectMany(f)];
}

namespace PeftCore.Tests.Peft;

/// <summary>The formulas of Hugging Face PEFT's merge_utils, element by element.</summary>
internal static class CombinationReference
{
    /// <summary>Keeps the ⌊density·n⌋ elements of largest magnitude.</summary>
    public static double[] PruneByMagnitude(double[] x, double density)
    {
        var kept = Enumerable.Range(0, x.Length).OrderByDescending(i => Math.Abs(x[i])).Take((int)(density * x.Length)).ToHashSet();
        return [.. x.Select((value, i) => kept.Contains(i) ? value : 0)];
    }

    public static double[] TaskArithmetic(IReadOnlyList<double[]> tensors, IReadOnlyList<double> weights) =>
        [.. Enumerable.Range(0, tensors[0].Length).Select(k => tensors.Zip(weights).Sum(pair => pair.First[k] * pair.Second))];

    public static double[] MagnitudePrune(IReadOnlyList<double[]> tensors, IReadOnlyList<double> weights, double density) =>
        TaskArithmetic([.. tensors.Select(x => PruneByMagnitude(x, density))], weights);

    public static double[] Ties(IReadOnlyList<double[]> tensors, IReadOnlyList<double> weights, double density, bool byFrequency) =>
        DisjointMerge([.. tensors.Select(x => PruneByMagnitude(x, density))], weights, byFrequency);

    /// <summary>Mean, weighted, over the tensors that have the majority's sign.</summary>
    public static double[] DisjointMerge(IReadOnlyList<double[]> pruned, IReadOnlyList<double> weights, bool byFrequency)
    {
        double[] merged = new double[pruned[0].Length];
        for (int k = 0; k < merged.Length; k++)
        {
            double vote = pruned.Sum(x => byFrequency ? Math.Sign(x[k]) : x[k]);
            int majority = vote >= 0 ? 1 : -1;
            bool[] agrees = [.. pruned.Select(x => Math.Sign(x[k]) == majority)];
            double sum = Enumerable.Range(0, pruned.Count).Sum(i => agrees[i] ? weights[i] * pruned[i][k] : 0);
            merged[k] = sum / Math.Max(1, agrees.Count(agree => agree));
        }
        return merged;
    }

    /// <summary>B (m, r) · A (r, n).</summary>
    public static double[] Product(double[] b, double[] a, int m, int r, int n)
    {
        double[] c = new double[m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                for (int k = 0; k < r; k++)
                {
                    c[i * n + j] += b[i * r + k] * a[k * n + j];
                }
            }
        }
        return c;
    }

    /// <summary>The best approximation of rank r, by one-sided Jacobi rotations of the columns (Hestenes 1958): slow, and independent of
    /// the code under test.</summary>
    public static double[] BestOfRank(double[] w, int m, int n, int r)
    {
        double[] u = [.. w];
        double[] v = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            v[i * n + i] = 1;
        }
        double negligible = 1e-14 * w.Sum(x => x * x);
        for (bool moved = true; moved;)
        {
            moved = false;
            for (int p = 0; p < n; p++)
            {
                for (int q = p + 1; q < n; q++)
                {
                    moved |= RotateColumns(u, v, m, n, p, q, negligible);
                }
            }
        }
        double[] norms = [.. Enumerable.Range(0, n).Select(j => Enumerable.Range(0, m).Sum(i => u[i * n + j] * u[i * n + j]))];
        int[] kept = Enumerable.Range(0, n).OrderByDescending(j => norms[j]).Take(r).ToArray();
        double[] best = new double[m * n];
        foreach (int j in kept)
        {
            for (int i = 0; i < m; i++)
            {
                for (int k = 0; k < n; k++)
                {
                    best[i * n + k] += u[i * n + j] * v[k * n + j];
                }
            }
        }
        return best;
    }

    private static bool RotateColumns(double[] u, double[] v, int m, int n, int p, int q, double negligible)
    {
        double a = 0, b = 0, c = 0;
        for (int i = 0; i < m; i++)
        {
            a += u[i * n + p] * u[i * n + p];
            b += u[i * n + q] * u[i * n + q];
            c += u[i * n + p] * u[i * n + q];
        }
        if (Math.Abs(c) <= negligible)
        {
            return false;
        }
        double zeta = (b - a) / (2 * c);
        double t = (zeta >= 0 ? 1 : -1) / (Math.Abs(zeta) + Math.Sqrt(1 + zeta * zeta));
        double cos = 1 / Math.Sqrt(1 + t * t), sin = cos * t;
        foreach (var (x, rows) in new[] { (u, m), (v, n) })
        {
            for (int i = 0; i < rows; i++)
            {
                (x[i * n + p], x[i * n + q]) = (cos * x[i * n + p] - sin * x[i * n + q], sin * x[i * n + p] + cos * x[i * n + q]);
            }
        }
        return true;
    }
}

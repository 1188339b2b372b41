using System.Numerics.Tensors;

namespace PeftCore.Peft.Numerics;

/// <summary>Dense products in double precision, row-major. One thread sums an element in a fixed order, so results do not depend on the
/// number of threads.</summary>
internal static class Dense
{
    /// <summary>Columns of a tile: the rows of one tile fit into the L1 cache.</summary>
    private const int Tile = 256;

    private const int Group = 4;

    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b) => TensorPrimitives.Dot(a, b);

    public static double Norm(ReadOnlySpan<double> a) => Math.Sqrt(TensorPrimitives.SumOfSquares(a));

    public static double[] Transpose(double[] a, int rows, int columns)
    {
        const int Block = 32;
        double[] t = new double[a.Length];
        Parallel.For(0, (rows + Block - 1) / Block, block =>
        {
            int end = Math.Min(rows, (block + 1) * Block);
            for (int first = 0; first < columns; first += Block)
            {
                int last = Math.Min(columns, first + Block);
                for (int i = block * Block; i < end; i++)
                {
                    for (int j = first; j < last; j++)
                    {
                        t[j * rows + i] = a[i * columns + j];
                    }
                }
            }
        });
        return t;
    }

    /// <summary>A (m, k) · B (k, n). B is read once for all rows of A.</summary>
    public static double[] Multiply(double[] a, double[] b, int m, int k, int n)
    {
        double[] c = new double[m * n];
        Parallel.For(0, (n + Tile - 1) / Tile, tile =>
        {
            int first = tile * Tile, width = Math.Min(Tile, n - first);
            for (int p = 0; p < k; p += Group)
            {
                for (int i = 0; i < m; i++)
                {
                    var sum = c.AsSpan(i * n + first, width);
                    if (p + Group <= k)
                    {
                        Gemv4.AddTo(sum, b.AsSpan(p * n + first), n, a.AsSpan(i * k + p, Group));
                        continue;
                    }
                    for (int last = p; last < k; last++)
                    {
                        TensorPrimitives.MultiplyAdd(b.AsSpan(last * n + first, width), a[i * k + last], sum, sum);
                    }
                }
            }
        });
        return c;
    }

    /// <summary>A (m, k) · Bᵀ with B (n, k). B is read once for all rows of A.</summary>
    public static double[] MultiplyTransposed(double[] a, double[] b, int m, int k, int n)
    {
        const int Rows = 16;
        double[] c = new double[m * n];
        Parallel.For(0, (n + Rows - 1) / Rows, block =>
        {
            int end = Math.Min(n, (block + 1) * Rows);
            for (int first = 0; first < k; first += 2 * Tile)
            {
                int width = Math.Min(2 * Tile, k - first);
                for (int i = 0; i < m; i++)
                {
                    var left = a.AsSpan(i * k + first, width);
                    int j = block * Rows;
                    for (; j + Group <= end; j += Group)
                    {
                        Gemv4.AddDots(c.AsSpan(i * n + j, Group), left, b.AsSpan(j * k + first), k);
                    }
                    for (; j < end; j++)
                    {
                        c[i * n + j] += Dot(left, b.AsSpan(j * k + first, width));
                    }
                }
            }
        });
        return c;
    }

    /// <summary>Orthonormalizes rows in their order by Gram–Schmidt, twice for accuracy (Giraud et al. 2005). A row that depends linearly
    /// on earlier rows is replaced by a unit vector that does not.</summary>
    public static void Orthonormalize(double[] a, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
        {
            var row = a.AsSpan(i * columns, columns);
            for (int candidate = 0; !TryOrthonormalize(a, i, columns) && candidate < columns; candidate++)
            {
                row.Clear();
                row[(i + candidate) % columns] = 1;
            }
        }
    }

    private static bool TryOrthonormalize(double[] a, int i, int columns)
    {
        const double Dependent = 1e-10;
        var row = a.AsSpan(i * columns, columns);
        double before = Norm(row);
        for (int pass = 0; pass < 2; pass++)
        {
            for (int j = 0; j < i; j++)
            {
                var other = a.AsSpan(j * columns, columns);
                TensorPrimitives.MultiplyAdd(other, -Dot(row, other), row, row);
            }
        }
        double length = Norm(row);
        if (!(length > Dependent * before))
        {
            return false;
        }
        TensorPrimitives.Multiply(row, 1 / length, row);
        return true;
    }
}

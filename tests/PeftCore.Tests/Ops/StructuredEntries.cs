using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of the structured products of methods.</summary>
internal static class StructuredEntries
{
    private const float Alpha = 0.7f;

    public static IEnumerable<OpEntry> All()
    {
        yield return Blocks("multiply blocks", shared: false);
        yield return Blocks("multiply blocks, one shared", shared: true);
        yield return new OpEntry("batched matmul, transposed into place", ["a: b", "b: a"], size =>
        {
            var (n, m, k, p) = size.Pick((1, 1, 1, 1), (3, 5, 2, 7), (1, 3, 3, 3), (6, 33, 7, 34), (0, 3, 2, 2));
            var product = new BatchedProduct(n, m, k, p, new(m * k, k, 1), new(0, p, 1), new(m * p, 1, m), Alpha);
            return new OpSample([OpInput.Of("a", n * m, k), OpInput.Of("b", k, p)], t => t[0].MatMulBatched(t[1], product, [n, p, m]),
                v => [.. Enumerable.Range(0, n)
                    .SelectMany(i => Naive.Scale(Transposed(Naive.MatMul(v[0][(i * m * k)..((i + 1) * m * k)], v[1], m, k, p), m, p),
                        Alpha))]);
        });
        yield return new OpEntry("inverse", ["y: *"], size =>
        {
            var (n, side) = size.Pick((1, 1), (3, 4), (2, 2), (5, 17), (0, 2));
            const float Diagonal = 9;
            return new OpSample([OpInput.Of("x", n, side * side)],
                t => (t[0] + Identities(t[0].Backend, n, side, Diagonal)).Reshape([n, side, side]).Inverse(),
                v => [.. Enumerable.Range(0, n).SelectMany(i => Inverted(v[0].AsSpan(i * side * side, side * side), side, Diagonal))]);
        })
        { Tolerance = 1e-4 };
        yield return new OpEntry("top-k softmax", ["y: *"], size =>
        {
            var (rows, columns, k) = size.Pick((1, 1, 1), (3, 7, 2), (4, 4, 3), (70, 256, 5), (0, 3, 2));
            return new OpSample([OpInput.Of("x", rows, columns)], t => t[0].TopKSoftmax(k), v => [.. v[0].Chunk(columns).SelectMany(row =>
            {
                double least = row.OrderDescending().ElementAt(k - 1);
                double sum = row.Where(x => x >= least).Sum(Math.Exp);
                return row.Select(x => x >= least ? Math.Exp(x) / sum : 0);
            })]);
        });
        yield return new OpEntry("sparse linear", ["x: values"], Sparse);
        yield return new OpEntry("khatri-rao", ["a: b", "b: a"], size =>
        {
            var (r, s, n) = size.Pick((1, 1, 1), (3, 2, 5), (4, 4, 4), (5, 7, 530), (2, 3, 0));
            return new OpSample([OpInput.Of("a", r, n), OpInput.Of("b", s, n)], t => t[0].KhatriRao(t[1]),
                v => [.. Enumerable.Range(0, r * s * n).Select(i => v[0][i / n / s * n + i % n] * v[1][i / n % s * n + i % n])]);
        });
        yield return Orthogonality(ofColumns: false);
        yield return Orthogonality(ofColumns: true);
        yield return new OpEntry("kronecker linear", ["x: W1 W2"], size =>
        {
            var (rows, a, b, c, d) = size.Pick((1, 1, 1, 1, 1), (3, 2, 5, 4, 3), (1, 1, 1, 1, 1), (9, 8, 17, 5, 33), (0, 2, 3, 2, 2));
            return new OpSample([OpInput.Of("x", rows, c * d), OpInput.Of("W1", a, c), OpInput.Of("W2", b, d)],
                t => t[0].KroneckerLinear(t[1], t[2], Alpha), v =>
                Naive.Scale(Naive.MatMul(v[0], [.. Enumerable.Range(0, a * b * c * d).Select(i =>
                    v[1][i / (c * d) / b * c + i % (c * d) / d] * v[2][i / (c * d) % b * d + i % d])], rows, c * d, a * b,
                    transposeB: true), Alpha));
        });
        yield return new OpEntry("circulant linear", ["x: kernels"], size =>
        {
            var (rows, m, n, b) = size.Pick((1, 1, 1, 1), (3, 2, 3, 4), (1, 1, 1, 3), (9, 3, 5, 17), (0, 2, 2, 2));
            return new OpSample([OpInput.Of("x", rows, n * b), OpInput.Of("kernels", m, n, b)], t => t[0].CirculantLinear(t[1], Alpha), v =>
                Naive.Scale(Naive.MatMul(v[0], [.. Enumerable.Range(0, m * b * n * b).Select(i =>
                {
                    int row = i / (n * b), column = i % (n * b);
                    return v[1][(row / b * n + column / b) * b + (column % b - row % b + b) % b];
                })], rows, n * b, m * b, transposeB: true), Alpha));
        });
        yield return new OpEntry("skew-symmetric", [], size =>
        {
            var (n, side) = size.Pick((1, 2), (3, 4), (2, 3), (20, 17), (0, 3));
            int elements = side * (side - 1) / 2;
            return new OpSample([OpInput.Of("v", n, elements)], t => t[0].SkewSymmetric(side),
                v => [.. v[0].Chunk(elements).SelectMany(triangle =>
            {
                double[] q = new double[side * side];
                for (int i = 0, at = 0; i < side; i++)
                {
                    for (int j = i + 1; j < side; j++, at++)
                    {
                        (q[i * side + j], q[j * side + i]) = (triangle[at], -triangle[at]);
                    }
                }
                return q;
            })]);
        });
        yield return new OpEntry("join columns", [], size =>
        {
            var (rows, m, n) = size.Pick((1, 1, 1), (3, 2, 5), (4, 4, 4), (35, 7, 530), (0, 3, 2));
            return new OpSample([OpInput.Of("left", rows, m), OpInput.Of("right", rows, n)], t => t[0].ConcatColumns(t[1]),
                v => [.. Enumerable.Range(0, rows).SelectMany(r => v[0][(r * m)..((r + 1) * m)].Concat(v[1][(r * n)..((r + 1) * n)]))]);
        });
        yield return new OpEntry("block affine linear", ["x: blocks"], size =>
        {
            var (rows, m, n, r) = size.Pick((1, 1, 1, 1), (3, 3, 2, 4), (1, 1, 1, 3), (9, 3, 5, 17), (0, 2, 2, 2));
            float[] weight = Numbers.Random(41, m * r * n * r);
            float[] pieces = [.. Enumerable.Range(0, r * n * r).Select(i => i / (n * r) == i % (n * r) % r ? 1f : 0f)];
            return new OpSample([OpInput.Of("x", rows, n * r), OpInput.Of("blocks", m, r, r)],
                t => t[0].BlockAffineLinear(t[0].Backend.From(weight, [m * r, n * r]), t[1], t[0].Backend.From(pieces, [r, n * r])), v =>
                Naive.MatMul(v[0], [.. Enumerable.Range(0, m * r * n * r).Select(i =>
                {
                    int row = i / (n * r), column = i % (n * r), block = row / r, first = column / r * r;
                    return v[1][(block * r + row % r) * r + column % r] + Enumerable.Range(0, r)
                        .Sum(k => weight[row * n * r + first + k] * v[1][(block * r + k) * r + column % r]);
                })], rows, n * r, m * r, transposeB: true));
        });
        yield return new OpEntry("scaled bases", ["lambda: gamma", "gamma: lambda"], size =>
        {
            var (r, b, n) = size.Pick((1, 1, 1), (3, 2, 5), (4, 4, 4), (5, 7, 530), (2, 3, 0));
            float[] basis = Numbers.Random(41, r * n);
            return new OpSample([OpInput.Of("lambda", r, b), OpInput.Of("gamma", b, n)],
                t => t[0].ScaledBases(t[1], t[0].Backend.From(basis, [r, n])),
                v => [.. Enumerable.Range(0, r * b * n)
                    .Select(i => v[0][i / n] * basis[i / n / b * n + i % n] * v[1][i / n % b * n + i % n])]);
        });
    }

    private static OpEntry Blocks(string name, bool shared) => new(name, ["a: b", "b: a"], size =>
    {
        var (rows, n, side) = size.Pick((1, 1, 1), (3, 4, 2), (1, 1, 3), (35, 5, 17), (0, 3, 2));
        int blocks = shared ? 1 : n;
        return new OpSample([OpInput.Of("a", rows, n * side), OpInput.Of("b", blocks, side, side)], t => t[0].MultiplyBlocks(t[1]), v =>
            [.. Enumerable.Range(0, rows * n * side).Select(i =>
            {
                int block = i / side % n, column = i % side;
                return Enumerable.Range(0, side).Sum(k => v[0][i - column + k] * v[1][((shared ? 0 : block) * side + k) * side + column]);
            })]);
    });

    private static OpEntry Orthogonality(bool ofColumns) =>
        new("orthogonality of " + (ofColumns ? "columns" : "rows"), ["gram: *", "inverse: *"], size =>
    {
        var (r, n) = size.Pick((1, 1), (3, 5), (4, 4), (8, 130), (2, 0));
        return new OpSample([OpInput.Of("a", ofColumns ? [n, r] : [r, n])], t => t[0].Orthogonality(ofColumns), v =>
        {
            double[] rows = ofColumns ? Transposed(v[0], n, r) : v[0];
            double[] gram = Naive.MatMul(rows, rows, r, n, r, transposeB: true);
            return [Math.Sqrt(gram.Select((x, i) => x - (i % (r + 1) == 0 ? 1 : 0)).Sum(x => x * x))];
        });
    })
        { Sizes = [Size.One, Size.Odd, Size.Same, Size.Large] };

    private static OpSample Sparse(Size size)
    {
        var (rows, inputs, outputs, n) = size.Pick((1, 1, 1, 1), (3, 5, 4, 7), (3, 3, 3, 3), (35, 40, 34, 130), (0, 3, 2, 4));
        int[] chosen = [.. Enumerable.Range(0, inputs * outputs).OrderBy(i => (i * 7919L) % 104729 ^ 5).Take(n)];
        int[] rowOf = Array.ConvertAll(chosen, i => i / inputs), columnOf = Array.ConvertAll(chosen, i => i % inputs);
        return new OpSample([OpInput.Of("x", rows, inputs), OpInput.Of("values", n)], t => t[0].SparseLinear(t[1], Pattern(t[0].Backend)),
            v =>
        {
            double[] y = new double[rows * outputs];
            for (int t = 0; t < rows; t++)
            {
                for (int e = 0; e < n; e++)
                {
                    y[t * outputs + rowOf[e]] += v[1][e] * v[0][t * inputs + columnOf[e]];
                }
            }
            return y;
        });

        SparsePattern Pattern(Backend backend) => new(outputs, inputs, Ints(backend, rowOf), Ints(backend, columnOf),
            Index(backend, SparseIndex.Sort(rowOf, columnOf, outputs)), Index(backend, SparseIndex.Sort(columnOf, rowOf, inputs)));
    }

    private static SparseIndex Index(Backend backend, (int[] Offsets, int[] Indices, int[] Order) sorted) =>
        new(Ints(backend, sorted.Offsets), Ints(backend, sorted.Indices), Ints(backend, sorted.Order));

    private static Tensor Ints(Backend backend, int[] values) => backend.From(values, [values.Length]);

    private static Tensor Identities(Backend backend, int n, int side, float diagonal) =>
        backend.From([.. Enumerable.Range(0, n * side * side).Select(i => i % (side * side) % (side + 1) == 0 ? diagonal : 0)],
            [n, side * side]);

    private static double[] Transposed(double[] x, int rows, int columns) =>
        [.. Enumerable.Range(0, x.Length).Select(i => x[i % rows * columns + i / rows])];

    private static double[] Inverted(ReadOnlySpan<double> x, int side, double diagonal)
    {
        double[,] a = new double[side, 2 * side];
        for (int i = 0; i < side; i++)
        {
            for (int j = 0; j < side; j++)
            {
                a[i, j] = x[i * side + j] + (i == j ? diagonal : 0);
            }
            a[i, side + i] = 1;
        }
        for (int p = 0; p < side; p++)
        {
            double pivot = a[p, p];
            for (int j = 0; j < 2 * side; j++)
            {
                a[p, j] /= pivot;
            }
            for (int i = 0; i < side; i++)
            {
                double factor = i == p ? 0 : a[i, p];
                for (int j = 0; j < 2 * side; j++)
                {
                    a[i, j] -= factor * a[p, j];
                }
            }
        }
        return [.. Enumerable.Range(0, side * side).Select(i => a[i / side, side + i % side])];
    }
}

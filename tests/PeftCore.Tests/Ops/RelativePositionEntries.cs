using PeftCore.Backends;
using PeftCore.Ops;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of biases from relative positions.</summary>
internal static class RelativePositionEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return new OpEntry("relative bias", ["buckets: table"], size =>
        {
            var (buckets, heads, queries, keys) = size.Pick((1, 1, 1, 1), (5, 3, 4, 7), (5, 3, 4, 4), (32, 3, 40, 33), (4, 2, 0, 3));
            int[] pairs = Index(queries, keys, buckets);
            return new OpSample([OpInput.Of("table", buckets, heads)],
                t => t[0].RelativeBias(t[0].Backend.From(pairs, [queries, keys])),
                v => [.. Enumerable.Range(0, heads).SelectMany(h => pairs.Select(bucket => v[0][bucket * heads + h]))]);
        });
        yield return new OpEntry("head products", ["x: rows", "rows: x"], size =>
        {
            var (batch, length, heads, dim, rows) =
                size.Pick((1, 1, 1, 1, 1), (2, 3, 2, 5, 4), (2, 3, 2, 3, 3), (3, 33, 3, 16, 41), (2, 0, 2, 3, 4));
            int columns = heads * dim;
            return new OpSample([OpInput.Of("x", batch, length, columns), OpInput.Of("rows", rows, columns)],
                t => t[0].HeadProducts(t[1], heads, 0.5f), v =>
                {
                    double[] y = new double[batch * heads * length * rows];
                    for (int at = 0; at < y.Length; at++)
                    {
                        int r = at % rows, token = at / rows % length, head = at / rows / length % heads, b = at / rows / length / heads;
                        for (int d = head * dim; d < (head + 1) * dim; d++)
                        {
                            y[at] += 0.5 * v[0][(b * length + token) * columns + d] * v[1][r * columns + d];
                        }
                    }
                    return y;
                });
        });
        yield return Gather("relative gather", transpose: false);
        yield return Gather("relative gather, transposed", transpose: true);
    }

    private static OpEntry Gather(string name, bool transpose) => new(name, ["index: x"], size =>
    {
        var (batch, heads, rows, columns, width) =
            size.Pick((1, 1, 1, 1, 1), (2, 3, 4, 6, 5), (2, 2, 3, 3, 3), (2, 2, 33, 41, 64), (2, 2, 0, 3, 4));
        int[] index = Index(rows, columns, width);
        return new OpSample([OpInput.Of("x", batch, heads, rows, width)],
            t => t[0].GatherRelative(t[0].Backend.From(index, [rows, columns]), transpose), v =>
            {
                double[] y = new double[batch * heads * rows * columns];
                for (int at = 0; at < y.Length; at++)
                {
                    int pair = at % (rows * columns), matrix = at / (rows * columns), i = pair / columns, j = pair % columns;
                    int to = matrix * rows * columns + (transpose ? j * rows + i : pair);
                    y[to] = v[0][(matrix * rows + i) * width + index[pair]];
                }
                return y;
            });
    });

    // Clamped distances, and one pair out of order.
    private static int[] Index(int rows, int columns, int width)
    {
        int[] index = [.. Enumerable.Range(0, rows * columns)
            .Select(at => Math.Clamp(at % Math.Max(1, columns) - at / Math.Max(1, columns) + width / 2, 0, width - 1))];
        if (index.Length > 2)
        {
            index[2] = width - 1 - index[2];
        }
        return index;
    }
}

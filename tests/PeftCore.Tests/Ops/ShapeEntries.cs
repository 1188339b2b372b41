using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of ops that change shapes or choose rows.</summary>
internal static class ShapeEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return new OpEntry("reshape", [], size =>
        {
            var (rows, columns) = size.Pick((1, 1), (3, 5), (4, 4), (17, 131), (0, 3));
            return new OpSample([OpInput.Of("x", rows, columns)], t => t[0].Reshape([columns, 1, rows]) * 2f, v => Naive.Scale(v[0], 2));
        });
        yield return new OpEntry("transpose", [], size =>
        {
            var (m, n) = size.Pick((1, 1), (3, 5), (4, 4), (17, 131), (0, 3));
            return new OpSample([OpInput.Of("x", m, n)], t => t[0].Transpose(), v => Naive.Transpose(v[0], m, n));
        });
        yield return new OpEntry("transpose in a batch", [], size =>
        {
            var (batch, m, n) = size.Pick((1, 1, 1), (4, 3, 5), (4, 4, 4), (67, 7, 33), (2, 0, 3));
            return new OpSample([OpInput.Of("x", 1, batch, m, n)], t => t[0].Transpose(), v => Naive.Transpose(v[0], m, n));
        });
        yield return new OpEntry("slice", [], size =>
        {
            var (rows, start, count) = size.Pick((1, 0, 1), (5, 1, 3), (4, 0, 4), (67, 30, 37), (3, 2, 0));
            return new OpSample([OpInput.Of("x", rows, 2, 3)], t => t[0].Slice(start, count),
                v => v[0][(6 * start)..(6 * (start + count))]);
        });
        yield return new OpEntry("columns", [], size =>
        {
            var (rows, columns, start, count) = size.Pick((1, 1, 0, 1), (3, 7, 2, 4), (4, 4, 0, 4), (17, 131, 50, 33), (0, 3, 1, 2));
            return new OpSample([OpInput.Of("x", rows, columns)], t => t[0].Columns(start, count),
                v => Naive.Columns(v[0], columns, start, count));
        });
        yield return new OpEntry("concat columns", [], size =>
        {
            var (rows, left, right) = size.Pick((1, 1, 1), (3, 2, 5), (4, 4, 4), (17, 131, 40), (0, 2, 3));
            return new OpSample([OpInput.Of("left", rows, left), OpInput.Of("right", rows, right)], t => t[0].ConcatColumns(t[1]),
                v => [.. Enumerable.Range(0, rows)
                    .SelectMany(r => v[0][(r * left)..((r + 1) * left)].Concat(v[1][(r * right)..((r + 1) * right)]))]);
        });
        yield return new OpEntry("concat", [], size =>
        {
            var (first, second, third) = size.Pick((1, 1, 1), (2, 1, 3), (2, 2, 2), (40, 1, 27), (0, 2, 0));
            return new OpSample([OpInput.Of("first", first, 2, 3), OpInput.Of("second", second, 2, 3), OpInput.Of("third", third, 2, 3)],
                t => Tensor.Concat(t[0], t[1], t[2]), v => [.. v[0], .. v[1], .. v[2]]);
        });
        yield return new OpEntry("rows", ["ids: table"], size =>
        {
            var (rows, columns, count) = size.Pick((1, 1, 1), (5, 3, 7), (4, 4, 4), (33, 300, 40), (3, 2, 0));
            // repeats some rows, leaves the last one out
            int[] ids = [.. Enumerable.Range(0, count).Select(i => i * i % Math.Max(1, rows - 1))];
            return new OpSample([OpInput.Of("table", rows, columns)], t => t[0].Rows(OpCatalog.Ids(t[0], ids, count)),
                v => [.. ids.SelectMany(id => v[0][(id * columns)..((id + 1) * columns)])]);
        });
        yield return new OpEntry("rows by number", ["ids: table"], size =>
        {
            var (rows, columns) = size.Pick((1, 1), (5, 3), (4, 4), (33, 300), (1, 1));
            return new OpSample([OpInput.Of("table", rows, columns)], t => t[0].Rows(rows - 1, 0, rows - 1),
                v => [.. new[] { rows - 1, 0, rows - 1 }.SelectMany(id => v[0][(id * columns)..((id + 1) * columns)])]);
        })
        {
            Sizes = [Size.One, Size.Odd, Size.Same, Size.Large],
        };
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of losses and of recomputed parts.</summary>
internal static class LossEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return new OpEntry("cross entropy", ["dlogits: logits"], size =>
        {
            var (rows, classes) = size.Pick((1, 1), (5, 3), (4, 4), (20, 301), (0, 3));
            int[] targets = Targets(rows, classes);
            return new OpSample([OpInput.Of("logits", rows, classes)], t => t[0].CrossEntropy(OpCatalog.Ids(t[0], targets, rows), 2.5f),
                v => [Naive.CrossEntropy(v[0], targets, classes, 2.5)]);
        });
        yield return Ctc("ctc", isMean: true);
        yield return Ctc("ctc, sum", isMean: false);
        yield return LinearCrossEntropy("linear cross entropy", DType.F32);
        yield return LinearCrossEntropy("linear cross entropy, BF16 weight", DType.BF16);
    }

    /// <summary>In <see cref="Size.Large"/> the rows fill two chunks and a part of a third.</summary>
    private static OpEntry LinearCrossEntropy(string name, DType dtype) => new(name, ["dhidden: hidden", "dweight: weight"], size =>
    {
        var (rows, columns, classes) = size.Pick((1, 1, 1), (5, 3, 7), (4, 4, 4), (1100, 3, 5), (0, 3, 2));
        int[] targets = Targets(rows, classes);
        float denominator = Math.Max(1, rows);
        return new OpSample([OpInput.Of("hidden", rows, columns), OpInput.Frozen("weight", dtype, classes, columns)],
            t => t[0].LinearCrossEntropy(t[1], OpCatalog.Ids(t[0], targets, rows), denominator),
            v => [Naive.CrossEntropy(Naive.MatMul(v[0], v[1], rows, columns, classes, transposeB: true), targets, classes, denominator)]);
    });

    public static IEnumerable<OpEntry> Recomputed()
    {
        yield return new OpEntry("recompute", ["input: *"], size =>
        {
            var (rows, inputs, outputs) = size.Pick((1, 1, 1), (3, 5, 7), (4, 4, 4), (35, 40, 34), (0, 3, 2));
            var key = new DropoutKey(0.25f, 3, 9);
            return new OpSample([OpInput.Of("input", rows, inputs), OpInput.Captured("weight", outputs, inputs)],
                t => Recompute.Run(x => x.Dropout(key).Linear(t[1]).Activate<Gelu>(), t[0]),
                v =>
                {
                    double[] kept = Naive.Zip(v[0], Naive.DropoutMask(v[0].Length, 0.25f, 3, 9), (x, mask) => x * mask);
                    return Array.ConvertAll(Naive.MatMul(kept, v[1], rows, inputs, outputs, transposeB: true), Exact.Gelu);
                });
        })
        { Unread = 1 }; // A stretch that is run again makes its output once more, whose values nobody reads.
    }

    /// <summary>Rows with fewer frames and labels than the longest, with a repeated label, and without labels.</summary>
    private static OpEntry Ctc(string name, bool isMean) => new(name, ["dlogits: logits"], size =>
    {
        var (batch, length, classes, most) = size.Pick((1, 1, 2, 1), (3, 5, 4, 2), (2, 4, 3, 2), (4, 60, 35, 20), (0, 3, 2, 1));
        int[] frames = [.. Enumerable.Range(0, batch).Select(r => length - r)];
        int[] labels = [.. Enumerable.Range(0, batch * most).Select(i =>
            i % most < most - i / most ? 1 + i / most * 2 % (classes - 1) + i % most / 2 % 2 : -1)];
        return new OpSample([OpInput.Of("logits", batch, length, classes)],
            t => t[0].Ctc(t[0].Backend.From(labels, [batch, most]), OpCatalog.Ids(t[0], frames, batch), new CtcSettings(0, isMean)),
            v => [Naive.Ctc(v[0], length, classes, labels, frames, isMean)]);
    });

    /// <summary>Every third row has no target.</summary>
    private static int[] Targets(int rows, int classes) =>
        [.. Enumerable.Range(0, rows).Select(r => r % 3 == 2 ? CrossEntropyOp.Ignore : r * 7 % classes)];
}

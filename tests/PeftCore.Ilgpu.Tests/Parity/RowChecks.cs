using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

internal static class RowChecks
{
    private static readonly DType[] Weights = [DType.F32, DType.BF16, DType.F16];

    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        ("rms_norm", Rms), ("layer_norm", Layer), ("softmax", Softmax), ("cross_entropy", CrossEntropy), ("ctc", Ctc), ("gather", Gather),
        ("scatter_add", Scatter), ("rope", Rope),
    ];

    private static void Rms(ParityBench bench)
    {
        int rows = bench.Size(5, 700), columns = bench.Size(37, 2049);
        Shape shape = [rows, columns];
        foreach (var dtype in Weights)
        {
            Twin x = bench.Random(shape), w = bench.Random([columns], dtype), y = bench.Empty(shape), rstd = bench.Empty([rows]),
                dy = bench.Random(shape);
            bench.Run((b, t) => b.RmsNorm(t(x), t(w), 1, t(y), t(rstd), 1e-5f));
            bench.Same(y, "y");
            bench.Same(rstd, "rstd");
            foreach (bool accumulate in new[] { false, true })
            {
                Twin dx = bench.Target(shape, accumulate), dw = bench.Target([columns], accumulate);
                bench.Run((b, t) => b.RmsNormGradient(t(x), t(w), 1, t(rstd), t(dy), t(dx), accumulate, t(dw), accumulate));
                bench.Same(dx, "dx", 5e-6);
                bench.Same(dw, "dweight", 1e-5);
            }
        }
    }

    private static void Layer(ParityBench bench)
    {
        int rows = bench.Size(5, 300), columns = bench.Size(37, 769);
        Shape shape = [rows, columns];
        foreach (var dtype in Weights)
        {
            Twin x = bench.Random(shape), w = bench.Random([columns], dtype), bias = bench.Random([columns], dtype),
                dy = bench.Random(shape);
            Twin y = bench.Empty(shape), plain = bench.Empty(shape), mean = bench.Empty([rows]), rstd = bench.Empty([rows]);
            bench.Run((b, t) => b.LayerNorm(t(x), t(w), null, t(plain), t(mean), t(rstd), 1e-5f));
            bench.Run((b, t) => b.LayerNorm(t(x), t(w), t(bias), t(y), t(mean), t(rstd), 1e-5f));
            bench.Same(plain, "y without bias", 5e-6);
            bench.Same(y, "y", 5e-6);
            bench.Same(mean, "mean", 1e-5);
            bench.Same(rstd, "rstd");
            foreach (bool accumulate in new[] { false, true })
            {
                Twin dx = bench.Target(shape, accumulate), dw = bench.Target([columns], accumulate),
                    db = bench.Target([columns], accumulate);
                bench.Run((b, t) => b.LayerNormGradient(t(x), t(w), t(mean), t(rstd), t(dy), t(dx), accumulate, t(dw), accumulate, t(db),
                    accumulate));
                bench.Same(dx, "dx", 1e-5);
                bench.Same(dw, "dweight", 1e-5);
                bench.Same(db, "dbias", 1e-5);
            }
        }
    }

    private static void Softmax(ParityBench bench)
    {
        Shape shape = [bench.Size(5, 65), bench.Size(37, 3001)];
        Twin x = bench.Random(shape, scale: 8), y = bench.Empty(shape), dy = bench.Random(shape);
        bench.Run((b, t) => b.Softmax(t(x), t(y)));
        bench.Same(y, "y", 5e-6);
        foreach (bool accumulate in new[] { false, true })
        {
            var dx = bench.Target(shape, accumulate);
            bench.Run((b, t) => b.SoftmaxGradient(t(y), t(dy), t(dx), accumulate));
            bench.Same(dx, "dx", 5e-6);
        }
    }

    private static void CrossEntropy(ParityBench bench)
    {
        int rows = bench.Size(6, 257), classes = bench.Size(41, 32003);
        foreach (bool gradient in new[] { false, true })
        {
            Twin logits = bench.Random([rows, classes], scale: 9), losses = bench.Empty([rows]);
            var labels = bench.Ints([.. Enumerable.Range(0, rows).Select(r => r % 3 == 1 ? -100 : r * 7919 % classes)], [rows]);
            bench.Run((b, t) => b.CrossEntropy(t(logits), t(labels), -100, 0.25f, t(losses), gradient));
            bench.Same(losses, "losses", 2e-6);
            bench.Same(logits, gradient ? "gradient" : "logits as they were", 5e-6);
        }
    }

    private static void Ctc(ParityBench bench)
    {
        int batch = 3, length = bench.Size(7, 120), classes = bench.Size(5, 33), most = bench.Size(2, 50);
        foreach (bool gradient in new[] { false, true })
        {
            // The labels of the last row do not fit its frames.
            var shape = new CtcShape(batch, length, classes, most, 0, IsMean: gradient, ZeroInfinity: true);
            Twin logits = bench.Random([batch, length, classes], scale: 3), losses = bench.Empty([batch]),
                scratch = bench.Empty([batch, shape.Scratch]), dx = bench.Target([batch, length, classes], false);
            var labels = bench.Ints([.. Enumerable.Range(0, batch * most).Select(i => i / most == 1 && i % most > 0 ? -1
                : 1 + i * 7 % (classes - 1))], [batch, most]);
            var frames = bench.Ints([length, length - 2, 1], [batch]);
            bench.Run((b, t) => b.Ctc(shape, t(logits), t(labels), t(frames), t(scratch), t(losses), gradient ? t(dx) : null));
            bench.Same(losses, "losses", 2e-6);
            if (gradient)
            {
                bench.Same(dx, "gradient", 1e-5);
            }
        }
    }

    private static void Gather(ParityBench bench)
    {
        int rows = bench.Size(13, 1000), columns = bench.Size(21, 517), count = bench.Size(9, 800);
        foreach (var dtype in Weights)
        {
            Twin ids = bench.Ints([count], 0, rows), table = bench.Random([rows, columns], dtype), y = bench.Empty([count, columns]);
            bench.Run((b, t) => b.Gather(t(ids), t(table), t(y)));
            bench.Same(y, "rows", 0);
        }
    }

    private static void Scatter(ParityBench bench)
    {
        int rows = bench.Size(5, 50), columns = bench.Size(21, 517), count = bench.Size(19, 400);
        Twin ids = bench.Ints([count], 0, rows), dy = bench.Random([count, columns]), table = bench.Random([rows, columns]);
        bench.Run((b, t) => b.ScatterAdd(t(ids), t(dy), t(table)));
        bench.Same(table, "table", 0);
    }

    private static void Rope(ParityBench bench)
    {
        int length = bench.Size(5, 200), heads = 3, dim = bench.Size(8, 64), positions = length + 3;
        foreach (var (interleaved, inverse, half) in new[] { (false, false, dim / 2), (true, false, dim / 2), (false, true, dim / 4) })
        {
            Twin cos = bench.Random([positions, half]), sin = bench.Random([positions, half]), at = bench.Ints([2 * length], 0, positions);
            var x = bench.Random([2, length, (heads * dim) + 5]);
            bench.Run((b, t) => b.Rope(new Heads(t(x), heads, dim, Offset: 5), t(cos), t(sin), t(at), interleaved, inverse));
            bench.Same(x, "heads");
        }
    }
}

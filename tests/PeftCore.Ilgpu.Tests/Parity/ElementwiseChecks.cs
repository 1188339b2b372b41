using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

internal static class ElementwiseChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        ("silu", Formula<Silu>), ("gelu", Formula<Gelu>), ("gelu_tanh", Formula<GeluTanh>), ("quick_gelu", Formula<QuickGelu>),
        ("relu", Formula<Relu>), ("relu_squared", Formula<ReluSquared>), ("sigmoid", Formula<Sigmoid>), ("tanh", Formula<Tanh>),
        ("inverse_sqrt", Positive<InverseSqrt>), ("reciprocal", Positive<Reciprocal>), ("exp", Positive<Exp>), ("log", Positive<Log>),
        ("softplus", Formula<Softplus>),
        ("arithmetic", Arithmetic), ("rows_and_columns", RowsAndColumns), ("dropout", Dropped),
        ("fill", Filled), ("casts", Casts), ("copies", Copies), ("adamw", Adam), ("sgd", Sgd), ("sums", Sums),
    ];

    private static void Formula<TFormula>(ParityBench bench) where TFormula : struct, IUnaryFormula
    {
        Shape shape = [bench.Size(3, 301), bench.Size(17, 331)];
        Twin x = bench.Random(shape, scale: 6), up = bench.Random(shape), dy = bench.Random(shape), y = bench.Empty(shape),
            h = bench.Empty(shape);
        Twin dgate = bench.Empty(shape), dup = bench.Empty(shape);
        bench.Run((b, t) => b.Map<TFormula>(t(x), t(y)));
        bench.Same(y, "map");
        bench.Run((b, t) => b.Gated<TFormula>(t(x), t(up), t(h)));
        bench.Same(h, "gated");
        bench.Run((b, t) => b.GatedGradient<TFormula>(t(x), t(up), t(dy), t(dgate), t(dup)));
        bench.Same(dgate, "dgate");
        bench.Same(dup, "dup");
        foreach (bool accumulate in new[] { false, true })
        {
            var dx = bench.Target(shape, accumulate);
            bench.Run((b, t) => b.MapGradient<TFormula>(t(x), t(dy), t(dx), accumulate));
            bench.Same(dx, "map gradient");
        }
    }

    /// <summary>A formula on positive numbers.</summary>
    private static void Positive<TFormula>(ParityBench bench) where TFormula : struct, IUnaryFormula
    {
        Twin x = bench.Floats([0.25f, 1, 4, 9, 1e-3f], [5]), y = bench.Empty([5]), dy = bench.Random([5]), dx = bench.Empty([5]);
        bench.Run((b, t) => b.Map<TFormula>(t(x), t(y)));
        bench.Same(y, "map");
        bench.Run((b, t) => b.MapGradient<TFormula>(t(x), t(dy), t(dx), false));
        bench.Same(dx, "gradient");
    }

    private static void Arithmetic(ParityBench bench)
    {
        Shape shape = [bench.Size(5, 517), bench.Size(7, 129)];
        Twin a = bench.Random(shape), b = bench.Random(shape), scalar = bench.Random([1]), sum = bench.Empty(shape);
        bench.Run((k, t) => k.Add(t(a), t(b), t(sum)));
        bench.Same(sum, "add");
        foreach (bool accumulate in new[] { false, true })
        {
            Twin product = bench.Target(shape, accumulate), scaled = bench.Target(shape, accumulate),
                byScalar = bench.Target(shape, accumulate);
            bench.Run((k, t) => k.Multiply(t(a), t(b), t(product), accumulate));
            bench.Run((k, t) => k.Scale(t(a), -1.7f, t(scaled), accumulate));
            bench.Run((k, t) => k.ScaleBy(t(a), t(scalar), t(byScalar), accumulate));
            bench.Same(product, "multiply");
            bench.Same(scaled, "scale");
            bench.Same(byScalar, "scale by");
        }
    }

    private static void RowsAndColumns(ParityBench bench)
    {
        int rows = bench.Size(9, 1033), columns = bench.Size(19, 515);
        Shape shape = [rows, columns];
        Twin x = bench.Random(shape), y = bench.Random(shape), row = bench.Random([columns]), column = bench.Random([rows]);
        foreach (bool accumulate in new[] { false, true })
        {
            Twin byRow = bench.Target(shape, accumulate), byColumn = bench.Target(shape, accumulate),
                dots = bench.Target([rows], accumulate);
            Twin products = bench.Target([columns], accumulate), sums = bench.Target([columns], accumulate),
                band = bench.Target([rows, columns + 4], accumulate);
            bench.Run((b, t) => b.MultiplyRow(t(x), t(row), t(byRow), accumulate));
            bench.Run((b, t) => b.MultiplyColumn(t(x), t(column), t(byColumn), accumulate));
            bench.Run((b, t) => b.RowDots(t(x), t(y), t(dots), accumulate));
            bench.Run((b, t) => b.MultiplySumRows(t(x), t(y), t(products), accumulate));
            bench.Run((b, t) => b.SumRows(t(x), t(sums), accumulate));
            bench.Run((b, t) => b.CopyColumns(t(x), 1, t(band), 3, columns - 2, accumulate));
            bench.Same(byRow, "multiply row");
            bench.Same(byColumn, "multiply column");
            bench.Same(dots, "row dots", 1e-5);
            bench.Same(products, "multiply sum rows", 1e-5);
            bench.Same(sums, "sum rows", 1e-5);
            bench.Same(band, "copy columns");
        }
        foreach (var dtype in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            Twin bias = bench.Random([columns], dtype), into = bench.Random(shape);
            bench.Run((b, t) => b.AddRow(t(into), t(bias)));
            bench.Same(into, "add row");
        }
    }

    private static void Dropped(ParityBench bench)
    {
        Shape shape = [bench.Size(37, 10007)];
        var x = bench.Random(shape);
        foreach (bool accumulate in new[] { false, true })
        {
            var y = bench.Target(shape, accumulate);
            bench.Run((b, t) => b.Dropout(t(x), t(y), 0.3f, 0x1234_5678_9ABC_DEF0, 5, accumulate));
            bench.Same(y, "dropout", 1e-7);
        }
    }

    private static void Filled(ParityBench bench)
    {
        Twin uniform = bench.Empty([101]), normal = bench.Empty([101]), onDevice = bench.Empty([101]);
        bench.Run((b, t) => b.FillUniform(t(uniform), -1, 2, 3, 4));
        bench.Run((b, t) => b.FillNormal(t(normal), 1, 2, 3, 4));
        bench.Run((b, t) => b.FillUniform(t(onDevice), -0.03125f, 0.03125f, 3, 4, 5));
        bench.Same(uniform, "uniform", 0);
        bench.Same(onDevice, "uniform, a range of a power of two", 0);
        bench.Same(normal, "normal", 0);
    }

    private static void Casts(ParityBench bench)
    {
        float[] edges =
        [
            0, -0f, 1, -1, 1e-8f, 6e-8f, -5.9604645e-8f, 6.1e-5f, 6.0975e-5f, 65504, 65519, 65520, -70000, 1.00048828125f, 1.00146484375f,
            1.00390625f,
            3.3895314e38f, 1e-40f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, float.MaxValue, float.Epsilon,
        ];
        foreach (var dtype in new[] { DType.BF16, DType.F16 })
        {
            Twin f32 = bench.Floats(edges, [edges.Length]), bf16 = bench.Empty([edges.Length], dtype), back = bench.Empty([edges.Length]);
            bench.Run((b, t) => b.Cast(t(f32), t(bf16)));
            bench.Run((b, t) => b.Cast(t(bf16), t(back)));
            bench.Same(bf16, $"cast to {dtype}", 0);
            bench.Same(back, $"cast from {dtype}", 0);
        }
    }

    private static void Copies(ParityBench bench)
    {
        Twin x = bench.Random([5, 7]), y = bench.Empty([5, 7]);
        bench.Run((b, t) => b.Copy(t(x), t(y)));
        bench.Same(y, "copy", 0);
        bench.Run((b, t) => b.Zero(t(y)));
        bench.Same(y, "zero", 0);
    }

    private static void Adam(ParityBench bench)
    {
        Shape shape = [bench.Size(33, 4099)];
        Twin p = bench.Random(shape), g = bench.Random(shape), m = bench.Random(shape), v = bench.Empty(shape);
        bench.Run((b, t) => b.Multiply(t(m), t(m), t(v), false));
        bench.Run((b, t) => b.AdamW(new Optimizers.AdamW(1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 3), t(p), t(g), 0.5f, t(m), t(v)));
        bench.Same(p, "parameter", 1e-5);
        bench.Same(m, "first moment");
        bench.Same(v, "second moment");
    }

    private static void Sgd(ParityBench bench)
    {
        Shape shape = [33];
        foreach (bool nesterov in new[] { false, true })
        {
            Twin p = bench.Random(shape), g = bench.Random(shape), buffer = bench.Empty(shape);
            foreach (bool first in new[] { true, false })
            {
                bench.Run((b, t) => b.Sgd(t(p), t(g), 0.5f, t(buffer), 0.1f, 0.9f, 0.01f, nesterov, first));
            }
            bench.Run((b, t) => b.Sgd(t(p), t(g), 0.5f, null, 0.1f, 0, 0.01f, false, false));
            bench.Same(p, "parameter");
            bench.Same(buffer, "buffer");
        }
    }

    private static void Sums(ParityBench bench)
    {
        int count = bench.Size(301, 1_000_003);
        Twin x = bench.Random([count]),
            bad = bench.Floats([.. Enumerable.Range(0, count).Select(i => i == count - 1 ? float.PositiveInfinity : i)], [count]);
        var sums = bench.Empty([3]);
        bench.Run((b, t) => b.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(
            [(float)b.SumOfSquares(t(x)), b.AllFinite(t(x)) ? 1 : 0, b.AllFinite(t(bad)) ? 1 : 0]), t(sums)));
        bench.Same(sums, "sums", 1e-5);
    }
}

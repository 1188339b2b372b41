using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Ops on activations in BF16 on the device, and on the same numbers in F32 on the CPU: at multiples of the vector size and at odd
/// sizes.</summary>
internal static class BFloat16Checks
{
    // A result is rounded once to eight bits of mantissa; sums of such results are rounded again.
    private const double Once = 4e-3, Twice = 1e-2;

    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
        from size in new[] { (Name: "vectors", Columns: 40), (Name: "odd", Columns: 19) }
        from check in new (string Name, Action<ParityBench, int> Body)[]
        {
            ("silu", Formula<Silu>), ("gelu", Formula<Gelu>), ("arithmetic", Arithmetic), ("rows", Rows), ("norms", Norms),
            ("cross_entropy", CrossEntropy),
            ("softmax", Softmax), ("lookups", Lookups), ("rope", Rope), ("products", Products), ("sums", Sums), ("attention", Attention),
            ("casts", Casts),
        }
        select ($"bf16_{check.Name}_{size.Name}", (Action<ParityBench>)(bench => check.Body(bench,
            bench.Size(size.Columns, (size.Columns * 50) + size.Columns))));

    private static void Formula<TFormula>(ParityBench bench, int columns) where TFormula : struct, IUnaryFormula
    {
        Shape shape = [bench.Size(3, 301), columns];
        Twin x = bench.Activation(shape, 6), up = bench.Activation(shape), dy = bench.Activation(shape), y = bench.Result(shape),
            h = bench.Result(shape);
        Twin dgate = bench.Result(shape), dup = bench.Result(shape);
        bench.Run((b, t) => b.Map<TFormula>(t(x), t(y)));
        bench.Run((b, t) => b.Gated<TFormula>(t(x), t(up), t(h)));
        bench.Run((b, t) => b.GatedGradient<TFormula>(t(x), t(up), t(dy), t(dgate), t(dup)));
        bench.Same(y, "map", Once);
        bench.Same(h, "gated", Once);
        bench.Same(dgate, "dgate", Once);
        bench.Same(dup, "dup", Once);
        Each(bench, shape, (dx, accumulate) => bench.Run((b, t) => b.MapGradient<TFormula>(t(x), t(dy), t(dx), accumulate)),
            "map gradient");
        bench.Run((b, t) => b.GatedGradient<TFormula>(t(x), t(up), t(dy), t(x), t(up)));
        bench.Same(x, "dgate in place", Once);
        bench.Same(up, "dup in place", Once);
    }

    private static void Arithmetic(ParityBench bench, int columns)
    {
        Shape shape = [bench.Size(5, 517), columns];
        Twin a = bench.Activation(shape), b = bench.Activation(shape), scalar = bench.Random([1]), sum = bench.Result(shape);
        bench.Run((k, t) => k.Add(t(a), t(b), t(sum)));
        bench.Same(sum, "add", Once);
        Each(bench, shape, (y, add) => bench.Run((k, t) => k.Multiply(t(a), t(b), t(y), add)), "multiply");
        Each(bench, shape, (y, add) => bench.Run((k, t) => k.Scale(t(a), -1.7f, t(y), add)), "scale");
        Each(bench, shape, (y, add) => bench.Run((k, t) => k.ScaleBy(t(a), t(scalar), t(y), add)), "scale by");
        Each(bench, shape, (y, add) => bench.Run((k, t) => k.Dropout(t(a), t(y), 0.3f, 77, 5, add)), "dropout");
    }

    private static void Rows(ParityBench bench, int columns)
    {
        int rows = bench.Size(9, 533);
        Shape shape = [rows, columns];
        Twin x = bench.Activation(shape), y = bench.Activation(shape), row = bench.Random([columns]), column = bench.Random([rows]);
        Each(bench, shape, (to, add) => bench.Run((b, t) => b.MultiplyRow(t(x), t(row), t(to), add)), "multiply row");
        Each(bench, shape, (to, add) => bench.Run((b, t) => b.MultiplyColumn(t(x), t(column), t(to), add)), "multiply column");
        Each(bench, [rows, columns + 8], (to, add) => bench.Run((b, t) => b.CopyColumns(t(x), 1, t(to), 3, columns - 2, true)),
            "copy columns", start: true);
        int whole = columns / 8 * 8;
        foreach (bool add in new[] { false, true })
        {
            var to = bench.Activation([rows, whole + 16]);
            bench.Run((b, t) => b.CopyColumns(t(x), columns - whole, t(to), 8, whole, add));
            bench.Same(to, "copy whole vectors", Once);
        }
        Twin products = bench.Empty([columns]), sums = bench.Empty([columns]), dots = bench.Empty([rows]);
        bench.Run((b, t) => b.MultiplySumRows(t(x), t(y), t(products), false));
        bench.Run((b, t) => b.SumRows(t(x), t(sums), false));
        bench.Run((b, t) => b.RowDots(t(x), t(y), t(dots), false));
        bench.Same(products, "multiply sum rows", 1e-5);
        bench.Same(sums, "sum rows", 1e-5);
        bench.Same(dots, "row dots", 1e-5);
        foreach (var dtype in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            Twin bias = bench.Random([columns], dtype), into = bench.Activation(shape);
            bench.Run((b, t) => b.AddRow(t(into), t(bias)));
            bench.Same(into, "add row", Once);
        }
    }

    private static void Norms(ParityBench bench, int columns)
    {
        int rows = bench.Size(5, 300);
        Shape shape = [rows, columns];
        foreach (var dtype in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            Twin x = bench.Activation(shape), w = bench.Random([columns], dtype), bias = bench.Random([columns], dtype),
                dy = bench.Activation(shape);
            Twin y = bench.Result(shape), z = bench.Result(shape), rstd = bench.Empty([rows]), mean = bench.Empty([rows]),
                root = bench.Empty([rows]);
            bench.Run((b, t) => b.RmsNorm(t(x), t(w), 1, t(y), t(rstd), 1e-5f));
            bench.Run((b, t) => b.LayerNorm(t(x), t(w), t(bias), t(z), t(mean), t(root), 1e-5f));
            bench.Same(y, "rms", Once);
            var again = bench.Result(shape);
            bench.Run((b, t) => b.RmsNormRecompute(t(x), t(w), 1, t(again), t(rstd), 1e-5f));
            bench.Same(again, "rms once more", Once);
            bench.Same(rstd, "rstd", 2e-6);
            bench.Same(z, "layer", Once);
            bench.Same(mean, "mean", 1e-5);
            bench.Same(root, "layer rstd", 5e-6);
            Each(bench, shape, (dx, add) => bench.Run((b, t) => b.RmsNormGradient(t(x), t(w), 1, t(rstd), t(dy), t(dx), add, null, false)),
                "rms dx");
            Each(bench, shape, (dx, add) => bench.Run((b, t) => b.LayerNormGradient(t(x), t(w), t(mean), t(root), t(dy), t(dx), add, null,
                false, null, false)), "layer dx");
            Twin dw = bench.Empty([columns]), dv = bench.Empty([columns]);
            bench.Run((b, t) => b.RmsNormGradient(t(x), t(w), 1, t(rstd), t(dy), null, false, t(dw), false));
            bench.Run((b, t) => b.LayerNormGradient(t(x), t(w), t(mean), t(root), t(dy), null, false, t(dv), false, null, false));
            bench.Same(dw, "rms dweight", 1e-5);
            bench.Same(dv, "layer dweight", 1e-5);
        }
    }

    private static void CrossEntropy(ParityBench bench, int columns)
    {
        int rows = bench.Size(6, 257);
        foreach (bool gradient in new[] { false, true })
        {
            Twin logits = bench.Activation([rows, columns], 9), losses = bench.Empty([rows]);
            var labels = bench.Ints([.. Enumerable.Range(0, rows).Select(r => r % 3 == 1 ? -100 : r * 7919 % columns)], [rows]);
            bench.Run((b, t) => b.CrossEntropy(t(logits), t(labels), -100, 0.25f, t(losses), gradient));
            bench.Same(losses, "losses", 5e-6);
            bench.Same(logits, gradient ? "gradient" : "logits as they were", Once);
        }
    }

    private static void Softmax(ParityBench bench, int columns)
    {
        Shape shape = [bench.Size(5, 65), columns];
        Twin x = bench.Activation(shape, 8), y = bench.Result(shape), dy = bench.Activation(shape);
        bench.Run((b, t) => b.Softmax(t(x), t(y)));
        bench.Same(y, "y", Once);
        var shares = bench.Activation(shape, 0.1f); // not y: the device's is rounded, the CPU's is not
        Each(bench, shape, (dx, add) => bench.Run((b, t) => b.SoftmaxGradient(t(shares), t(dy), t(dx), add)), "dx");
    }

    private static void Lookups(ParityBench bench, int columns)
    {
        int rows = bench.Size(13, 400), count = bench.Size(9, 300);
        foreach (var dtype in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            Twin ids = bench.Ints([count], 0, rows), table = bench.Random([rows, columns], dtype), y = bench.Result([count, columns]);
            bench.Run((b, t) => b.Gather(t(ids), t(table), t(y)));
            bench.Same(y, "rows", Once);
        }
        Twin at = bench.Ints([count], 0, rows), dy = bench.Activation([count, columns]), gradient = bench.Random([rows, columns]);
        bench.Run((b, t) => b.ScatterAdd(t(at), t(dy), t(gradient)));
        bench.Same(gradient, "scatter", 1e-6);
    }

    private static void Rope(ParityBench bench, int columns)
    {
        int length = bench.Size(5, 100), heads = 3, dim = columns % 8 == 0 ? 16 : 12, positions = length + 3, half = dim / 2;
        foreach (var (interleaved, inverse) in new[] { (false, false), (true, false), (false, true) })
        {
            Twin cos = bench.Random([positions, half]), sin = bench.Random([positions, half]), at = bench.Ints([2 * length], 0, positions);
            var x = bench.Activation([2, length, (heads * dim) + 8]);
            bench.Run((b, t) => b.Rope(new Heads(t(x), heads, dim, Offset: 8), t(cos), t(sin), t(at), interleaved, inverse));
            bench.Same(x, "heads", Once);
        }
    }

    private static void Products(ParityBench bench, int columns)
    {
        int rows = bench.Size(24, 600), inner = columns % 8 == 0 ? 48 : 21;
        foreach (var weights in new[] { DType.BF16, DType.F32 })
        {
            Twin x = bench.Activation([rows, inner]), w = Rounded(bench, [columns, inner], weights);
            Each(bench, [rows, columns], (y, add) => bench.Run((b, t) => b.MatMul(t(x), false, t(w), true, t(y), 0.5f, add)), "x·Wᵀ");
            Twin dy = bench.Activation([rows, columns]), dw = bench.Empty([columns, inner]);
            Each(bench, [rows, inner], (dx, add) => bench.Run((b, t) => b.MatMul(t(dy), false, t(w), false, t(dx), 1, add)), "dy·W");
            bench.Run((b, t) => b.MatMul(t(dy), true, t(x), false, t(dw)));
            bench.Same(dw, "dyᵀ·x", 1e-5);
        }
    }

    /// <summary>Sums of products, and groups of sums, as in LoRA layers with one input.</summary>
    private static void Sums(ParityBench bench, int columns)
    {
        int rows = bench.Size(24, 600), inner = columns % 8 == 0 ? 48 : 21, rank = columns % 8 == 0 ? 8 : 5;
        Twin x = bench.Activation([rows, inner]), s = bench.Activation([rows, rank]), w = Rounded(bench, [columns, inner], DType.BF16);
        Twin v = Rounded(bench, [columns + 8, inner], DType.BF16), a = Rounded(bench, [columns, rank], DType.F32),
            b = Rounded(bench, [columns + 8, rank], DType.F32);
        var bias = bench.Random([columns]);
        foreach (bool add in new[] { false, true })
        {
            Twin y = bench.Result([rows, columns], add), first = bench.Result([rows, columns], add),
                second = bench.Result([rows, columns + 8], add);
            bench.Run((k, t) => k.MatMulSum([new(t(x), false, t(w), true), new(t(s), false, t(a), true)], t(y), t(bias), add));
            bench.Run((k, t) => k.MatMulGroup(
                [new(t(x), false, t(w), true), new(t(s), false, t(a), true), new(t(x), false, t(v), true), new(t(s), false, t(b), true)],
                [t(first), t(second)], 1, add, [t(bias), null]));
            bench.Same(y, "sum", add ? Twice : Once);
            bench.Same(first, "first of a group", add ? Twice : Once);
            bench.Same(second, "second of a group", add ? Twice : Once);
            Twin da = bench.Target([rank, inner], add), db = bench.Target([rank, inner], add);
            bench.Run((k, t) => k.MatMulGroup([new(t(s), true, t(x), false), new(t(s), true, t(x), false)], [t(da), t(db)], 1, add,
                [null, null]));
            bench.Same(da, "gradient of A", 1e-5);
            bench.Same(db, "gradient of another A", 1e-5);
        }
    }

    private static void Attention(ParityBench bench, int columns)
    {
        int batch = 2, length = bench.Size(19, 197), heads = 4, keyHeads = 2, dim = columns % 8 == 0 ? bench.Size(8, 64) : 12;
        var call = new AttentionCall(new AttentionShape(batch, length, length, heads, keyHeads, dim, 1 / MathF.Sqrt(dim), 0));
        Shape qs = [batch, length, heads * dim], ks = [batch, length, keyHeads * dim];
        Twin q = bench.Activation(qs, 2), k = bench.Activation(ks, 2), v = bench.Activation(ks), o = bench.Result(qs),
            dO = bench.Activation(qs);
        Twin lse = bench.Empty([batch, heads, length]), delta = bench.Empty([batch, heads, length]);
        Heads Of(Tensor tensor, int count) => new(tensor, count, dim);
        bench.Run((b, t) => b.Attention(call, Of(t(q), heads), Of(t(k), keyHeads), Of(t(v), keyHeads), Of(t(o), heads), t(lse)));
        bench.Same(o, "o", Twice);
        bench.Same(lse, "lse", Once);
        Twin dq = bench.Result(qs), dk = bench.Result(ks), dv = bench.Result(ks, accumulate: true);
        bench.Run((b, t) => b.AttentionGradient(call, Of(t(q), heads), Of(t(k), keyHeads), Of(t(v), keyHeads), Of(t(o), heads),
            Of(t(dO), heads),
            t(lse), t(delta), Of(t(dq), heads), false, Of(t(dk), keyHeads), false, Of(t(dv), keyHeads), true, null, null));
        bench.Same(dq, "dq", 2 * Twice);
        bench.Same(dk, "dk", 2 * Twice);
        bench.Same(dv, "dv", 2 * Twice);
    }

    private static void Casts(ParityBench bench, int columns)
    {
        Twin f32 = bench.Random([columns], scale: 1e3f), bf16 = bench.Empty([columns], DType.BF16), back = bench.Empty([columns]);
        bench.Run((b, t) => b.Cast(t(f32), t(bf16)));
        bench.Run((b, t) => b.Cast(t(bf16), t(back)));
        bench.Same(bf16, "cast to BF16", 0);
        bench.Same(back, "cast from BF16", 0);
    }

    /// <summary>An op that overwrites its output, and the same op with accumulation.</summary>
    private static void Each(ParityBench bench, Shape shape, Action<Twin, bool> job, string what, bool start = false)
    {
        foreach (bool accumulate in new[] { false, true })
        {
            var result = bench.Result(shape, accumulate || start);
            job(result, accumulate);
            bench.Same(result, what, accumulate ? Twice : Once);
        }
    }

    private static Twin Rounded(ParityBench bench, Shape shape, DType dtype)
    {
        var bf16 = bench.Random(shape, DType.BF16);
        if (dtype == DType.BF16)
        {
            return bf16;
        }
        var f32 = bench.Empty(shape);
        bench.Run((backend, t) => backend.Cast(t(bf16), t(f32)));
        return f32;
    }
}

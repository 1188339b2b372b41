using System.Globalization;
using PeftCore.Kernels;

namespace PeftCore.Bench;

/// <summary>Roofline model of the kernels of a LoRA step (Williams, Waterman and Patterson 2009): the attainable rate of a kernel is the
/// smaller of the cores' multiply-add peak and its operations per byte times the speed of a copy of as many bytes as it reads and writes;
/// kernel, copy and multiply-adds alternate. The bandwidth is therefore that of the cache that holds the kernel's data, as in a step.
/// <code>dotnet run -c Release --project bench/PeftCore.Bench -- roofline [THREADS]</code></summary>
internal static class Roofline
{
    private const double Seconds = 0.4;
    private const int MinRounds = 9;

    // Operations per element in the formulas, including polynomials.
    private const double OfExp = 24, OfGelu = 36, OfGeluSlope = 44, OfGate = 30, OfGateSlope = 64, OfNorm = 6, OfNormGradient = 10,
        OfRope = 3, OfAdam = 16;

    public static void Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        using WorkerPool pool = new(threads);
        Console.WriteLine($"{threads} threads, {Gemm.Instructions}");
        Console.WriteLine("| kernel | GFLOP/s | GB/s | multiply-adds, GFLOP/s | copy, GB/s | attainable GFLOP/s | share |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
        foreach (string size in new[]
        {
            "128x2304x768", "128x768x768", "128x3072x768", "128x768x3072", "128x50257x768", "128x8x768", "128x2304x8", "1024x192x192",
            "1024x512x192", "1024x192x512",
            "1024x8x192", "1024x192x8", "8x192x1024",
        })
        {
            Product(size, pool);
        }
        Attend(new AttentionShape(1, 128, 128, 12, 12, 64, 0.125f, 0), pool);
        Attend(new AttentionShape(8, 128, 128, 6, 2, 32, 0.177f, 0), pool);
        foreach ((int rows, int cols, int inner, int words) in new[] { (128, 768, 3072, 50257), (1024, 192, 512, 4096) })
        {
            Rowwise(rows, cols, words, pool);
            Elementwise(rows, inner, pool);
        }
    }

    private static void Product(string size, WorkerPool pool)
    {
        int[] parts = [.. size.Split('x').Select(p => int.Parse(p, CultureInfo.InvariantCulture))];
        int m = parts[0], n = parts[1], k = parts[2];
        using NativeNumbers a = NativeNumbers.Uniform((long)m * k, 0), b = NativeNumbers.Uniform((long)n * k, 1), c = new((long)m * n);
        Line($"product {m}×{n}×{k}", 2.0 * m * n * k, 4.0 * ((double)m * k + (double)n * k + (double)m * n), pool,
            () => Gemm.Multiply(m, n, k, Operand.F32(a.Span, k), false, Operand.F32(b.Span, k), true, c.Span, n, 1f, false, pool));
    }

    private static void Attend(AttentionShape s, WorkerPool pool)
    {
        int tokens = s.Batch * s.QueryLength, wide = s.Heads * s.HeadDim, narrow = s.KeyHeads * s.HeadDim;
        HeadLayout q = new(wide, 0, s.HeadDim), k = new(narrow, 0, s.HeadDim);
        using NativeNumbers x = NativeNumbers.Uniform((long)tokens * wide, 0), y = NativeNumbers.Uniform((long)tokens * narrow, 1),
            z = NativeNumbers.Uniform((long)tokens * narrow, 2);
        using NativeNumbers dO = NativeNumbers.Uniform((long)tokens * wide, 3), o = new((long)tokens * wide), dx = new((long)tokens * wide),
            dy = new((long)tokens * narrow);
        using NativeNumbers dz = new((long)tokens * narrow), lse = new((long)tokens * s.Heads), delta = new((long)tokens * s.Heads);
        // Half of the scores are masked.
        double pair = (double)s.Batch * s.Heads * s.QueryLength * (s.KeyLength + 1) * s.HeadDim;
        double forward = (2.0 * wide + 2.0 * narrow) * tokens * sizeof(float);
        string name = $"{s.Batch}×{s.QueryLength}, {s.Heads}/{s.KeyHeads} heads of {s.HeadDim}";
        void Forward() => Attention.Forward(s, x.Span, q, y.Span, k, z.Span, k, o.Span, q, lse.Span, default, pool);
        Line($"causal attention {name}", 2 * pair, forward, pool, Forward);
        Line($"its gradient {name}", 5 * pair, 2 * forward, pool, () => Attention.Backward(
            s, x.Span, q, y.Span, k, z.Span, k, o.Span, q, dO.Span, q, lse.Span, delta.Span, dx.Span, q, false, dy.Span, k, false, dz.Span,
            k, false, default,
            default, default, pool));
    }

    private static void Rowwise(int rows, int cols, int words, WorkerPool pool)
    {
        long count = (long)rows * cols;
        using NativeNumbers x = NativeNumbers.Uniform(count, 0), dy = NativeNumbers.Uniform(count, 1), y = new(count),
            weight = NativeNumbers.Uniform(cols, 2);
        using NativeNumbers mean = new(rows), rstd = new(rows), logits = NativeNumbers.Uniform((long)rows * words, 3), losses = new(rows);
        int[] labels = [.. Enumerable.Range(0, rows)];
        string name = $"{rows}×{cols}";
        Line($"RMS norm {name}", OfNorm * count, 8 * count, pool,
            () => Norms.RmsForward(x.Span, Operand.F32(weight.Span, cols), 0, y.Span, rstd.Span, rows, cols, 1e-5f, pool));
        Line($"its gradient {name}", OfNormGradient * count, 12 * count, pool,
            () => Norms.RmsBackward(x.Span, Operand.F32(weight.Span, cols), 0, rstd.Span, dy.Span, y.Span, false, default, false, rows,
                cols, pool));
        Line($"layer norm {name}", OfNorm * count, 8 * count, pool, () => Norms.LayerForward(
            x.Span, Operand.F32(weight.Span, cols), Operand.F32(weight.Span, cols), y.Span, mean.Span, rstd.Span, rows, cols, 1e-5f, pool));
        Line($"its gradient {name}", OfNormGradient * count, 12 * count, pool, () => Norms.LayerBackward(
            x.Span, Operand.F32(weight.Span, cols), mean.Span, rstd.Span, dy.Span, y.Span, false, default, false, default, false, rows,
            cols, pool));
        Line($"softmax {rows}×{words}", OfExp * rows * words, 8.0 * rows * words, pool, () => CrossEntropy.Softmax(logits.Span, logits.Span,
            rows, words, pool));
        Line($"cross-entropy and its gradient {rows}×{words}", OfExp * rows * words, 8.0 * rows * words, pool,
            () => CrossEntropy.ForwardBackward(logits.Span, labels, -100, 1, losses.Span, rows, words, true, pool));
        int[] positions = [.. Enumerable.Range(0, rows).Select(row => row % 128)];
        int dim = 32, half = dim / 2;
        using var angles = NativeNumbers.Uniform(128L * half, 4);
        Line($"RoPE {name}", OfRope * count, 8 * count, pool, () => Rope.Apply(
            y.Span, rows, cols / dim, new HeadLayout(cols, 0, dim), dim, angles.Span, angles.Span, positions, false, false, pool));
    }

    private static void Elementwise(int rows, int cols, WorkerPool pool)
    {
        long count = (long)rows * cols;
        using NativeNumbers a = NativeNumbers.Uniform(count, 0), b = NativeNumbers.Uniform(count, 1), c = NativeNumbers.Uniform(count, 2),
            d = new(count), e = new(count);
        string name = $"{rows}×{cols}";
        Line($"GELU (tanh) {name}", OfGelu * count, 8 * count, pool, () => Kernels.Elementwise.Map<GeluTanh>(a.Span, d.Span, pool));
        Line($"its gradient {name}", OfGeluSlope * count, 12 * count, pool, () => Kernels.Elementwise.MapGradient<GeluTanh>(a.Span, b.Span,
            d.Span, false, pool));
        Line($"SwiGLU {name}", OfGate * count, 12 * count, pool, () => Kernels.Elementwise.Gated<Silu>(a.Span, b.Span, d.Span, pool));
        Line($"its gradient {name}", OfGateSlope * count, 20 * count, pool, () => Kernels.Elementwise.GatedGradient<Silu>(a.Span, b.Span,
            c.Span, d.Span, e.Span, pool));
        d.Span.Clear();
        e.Span.Clear();
        Line($"AdamW {count}", OfAdam * count, 28 * count, pool, () => Optimizers.Step(
            new Optimizers.AdamW(1e-4f, 0.9f, 0.999f, 1e-8f, 0.01f, 1), a.Span, b.Span, 1, d.Span, e.Span, pool));
    }

    private static void Line(string kernel, double operations, double bytes, WorkerPool pool, Action run)
    {
        // As many bytes as the kernel touches, half of them read and half written.
        long count = Math.Max(1, (long)(bytes / 2 / sizeof(float)));
        using NativeNumbers from = NativeNumbers.Uniform(count, 9), to = new(count);
        double[] seconds = InterleavedRuns.Medians(
            [() => FmaPeak.Run(pool), () => Elements.ToFloat(from.Bytes, ElementType.F32, to.Span, pool), run],
            Seconds, MinRounds);
        double peak = FmaPeak.Operations(pool.Threads) / seconds[0], copy = bytes / seconds[1];
        double attainable = Math.Min(peak, operations / bytes * copy), rate = operations / seconds[2];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {kernel} | {rate / 1e9:0} | {bytes / seconds[2] / 1e9:0} | {peak / 1e9:0} | {copy / 1e9:0} | {attainable / 1e9:0} | " +
            $"{rate / attainable:0.00} |"));
    }
}

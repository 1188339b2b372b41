using System.Globalization;
using PeftCore.Kernels;

namespace PeftCore.Bench;

/// <summary>Compares x·Wᵀ with an unpacked W, with W packed in F32 and in BF16, OpenBLAS, and the peak of the cores, alternating in one
/// process, so that other load affects all of them alike and ratios are reliable. Prints medians.
/// <code>OPENBLAS_CORETYPE=SKYLAKEX dotnet run -c Release --project bench/PeftCore.Bench -- paired-gemm [THREADS [MxNxK
/// …]]</code></summary>
internal static class PairedGemm
{
    private const double Seconds = 1.5;
    private const int MinRounds = 9;

    /// <summary>Square products, then those of a step of GPT-2 124M with 128 tokens and of base-llama with 1,024.</summary>
    private static readonly string[] Usual =
    [
        "512x512x512", "1024x1024x1024", "2048x2048x2048", "128x2304x768", "128x768x768", "128x3072x768", "128x768x3072", "128x50257x768",
        "1024x192x192", "1024x512x192", "1024x192x512", "1024x8x768", "1024x768x8",
    ];

    public static void Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        using WorkerPool pool = new(threads);
        if (OpenBlas.IsInstalled)
        {
            OpenBlas.SetThreads(threads);
        }
        Console.WriteLine(
            $"{threads} threads, {Gemm.Instructions}, GFLOP/s; OpenBLAS: {(OpenBlas.IsInstalled ? OpenBlas.Core : "not installed")}");
        Console.WriteLine(
            "| m×n×k | FMA peak | plain | of peak | packed F32 | of peak | packed BF16 | of peak | OpenBLAS | plain/OpenBLAS | " +
            "packed/OpenBLAS |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (string size in args.Length > 1 ? args[1..] : Usual)
        {
            Console.WriteLine(Line(size, pool));
        }
    }

    private static string Line(string size, WorkerPool pool)
    {
        int[] parts = [.. size.Split('x').Select(p => int.Parse(p, CultureInfo.InvariantCulture))];
        int m = parts[0], n = parts[1], k = parts[2];
        using NativeNumbers a = NativeNumbers.Uniform((long)m * k, 0), b = NativeNumbers.Uniform((long)n * k, 1), c = new((long)m * n);
        using NativeNumbers packed = NativeNumbers.OfBytes(Gemm.PackedBytes(n, k, ElementType.F32)),
            half = NativeNumbers.OfBytes(2L * n * k);
        using var packedHalf = NativeNumbers.OfBytes(Gemm.PackedBytes(n, k, ElementType.BF16));
        Elements.FromFloat(b.Span, half.Bytes, ElementType.BF16, pool);
        Gemm.Pack(n, k, Operand.F32(b.Span, k), true, packed.Bytes, pool);
        Gemm.Pack(n, k, new Operand(half.Bytes, ElementType.BF16, k), true, packedHalf.Bytes, pool);
        double operations = 2.0 * m * n * k;
        Action[] runs =
        [
            () => FmaPeak.Run(pool),
            () => Gemm.Multiply(m, n, k, Operand.F32(a.Span, k), false, Operand.F32(b.Span, k), true, c.Span, n, 1f, false, pool),
            () => Gemm.MultiplyPacked(m, n, k, Operand.F32(a.Span, k), false, packed.Bytes, ElementType.F32, c.Span, n, 1f, false, pool),
            () => Gemm.MultiplyPacked(m, n, k, Operand.F32(a.Span, k), false, packedHalf.Bytes, ElementType.BF16, c.Span, n, 1f, false,
                pool),
            () => { if (OpenBlas.IsInstalled) { OpenBlas.Multiply(m, n, k, a.Span, b.Span, c.Span); } },
        ];
        double[] rate = InterleavedRuns.Medians(runs, Seconds, MinRounds);
        for (int i = 0; i < rate.Length; i++)
        {
            rate[i] = (i == 0 ? FmaPeak.Operations(pool.Threads) : operations) / rate[i] / 1e9;
        }
        double peak = rate[0], peer = OpenBlas.IsInstalled ? rate[4] : double.NaN;
        return string.Create(CultureInfo.InvariantCulture,
            $"| {m}×{n}×{k} | {peak:0} | {rate[1]:0} | {rate[1] / peak:0.00} | {rate[2]:0} | {rate[2] / peak:0.00} | {rate[3]:0} | " +
            $"{rate[3] / peak:0.00} | {peer:0} | {rate[1] / peer:0.00} | {rate[2] / peer:0.00} |");
    }
}

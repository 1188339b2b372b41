using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using PeftCore.Kernels;

namespace PeftCore.Bench;

/// <summary>Compares products of a few rows with uncached weights, as in decoding, with only reading the same bytes, and with OpenBLAS in
/// F32, alternating in one process. Prints medians in GB of weights per second.
/// <code>OPENBLAS_CORETYPE=SKYLAKEX dotnet run -c Release --project bench/PeftCore.Bench -- paired-rows [THREADS [ROWS:MxK
/// …]]</code></summary>
internal static unsafe class PairedRows
{
    private const long Bytes = 192L << 20;
    private const double Seconds = 0.5;

    /// <summary>Outputs × inputs of GPT-2 124M and TinyLlama.</summary>
    private static readonly string[] Usual =
        [.. new[] { 1, 4, 8 }.SelectMany(rows => new[] { "2304x768", "768x768", "3072x768", "768x3072", "50257x768",
            "2048x2048" }.Select(size => $"{rows}:{size}"))];

    public static void Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        using WorkerPool pool = new(threads);
        if (OpenBlas.IsInstalled)
        {
            OpenBlas.SetThreads(threads);
        }
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        Philox.FillUniform(new Span<float>(memory, (int)(Bytes / 4)), -1, 1, 1, 0);
        Console.WriteLine($"{threads} threads, GB/s of weights; OpenBLAS: {(OpenBlas.IsInstalled ? OpenBlas.Core : "not installed")}");
        Console.WriteLine(
            "| rows, out×in | reading only | W (out, in) F32 | of reading | BF16 | of reading | W (in, out) F32 | of reading | BF16 | of " +
            "reading | OpenBLAS F32 | F32/OpenBLAS |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (string size in args.Length > 1 ? args[1..] : Usual)
        {
            Console.WriteLine(Line(size, memory, pool));
        }
        NativeMemory.AlignedFree(memory);
    }

    private static string Line(string size, byte* memory, WorkerPool pool)
    {
        int[] parts = [.. size.Split(':', 'x').Select(p => int.Parse(p, CultureInfo.InvariantCulture))];
        int m = parts[0], n = parts[1], k = parts[2];
        long weight = (long)n * k;
        float[] x = new float[m * k], y = new float[m * n];
        Philox.FillUniform(x, -1, 1, 1, 1);
        int turn = 0;

        // Every call uses the next weight, so that none is in a cache.
        byte* Next(int element) => memory + (turn++ % (Bytes / (weight * element)) * weight * element);
        void Product(ElementType type, bool across) => Gemm.Multiply(m, n, k, Operand.F32(x, k), false,
            new Operand(new ReadOnlySpan<byte>(Next(type == ElementType.F32 ? 4 : 2), (int)(weight * (type == ElementType.F32 ? 4 : 2))),
                type, across ? k : n), across, y, n, 1f, false, pool);
        double[] rates = Rates(
            (Bytes, () => ReadPeak.Run(memory, Bytes, pool)),
            (4 * weight, () => Product(ElementType.F32, true)),
            (2 * weight, () => Product(ElementType.BF16, true)),
            (4 * weight, () => Product(ElementType.F32, false)),
            (2 * weight, () => Product(ElementType.BF16, false)),
            (4 * weight, () => { if (OpenBlas.IsInstalled) { OpenBlas.Multiply(m, n, k, x, (float*)Next(4), y); } }
        ));
        double peer = OpenBlas.IsInstalled ? rates[5] : double.NaN;
        string Part(int i) => string.Create(CultureInfo.InvariantCulture, $"{rates[i]:0.0} | {rates[i] / rates[0]:0.00}");
        return string.Create(CultureInfo.InvariantCulture,
            $"| {m}, {n}×{k} | {rates[0]:0.0} | {Part(1)} | {Part(2)} | {Part(3)} | {Part(4)} | {peer:0.0} | {rates[1] / peer:0.00} |");
    }

    private static double[] Rates(params (long Bytes, Action Run)[] runs)
    {
        var times = runs.Select(_ => new List<double>()).ToArray();
        long begin = Stopwatch.GetTimestamp();
        for (int round = -2; round < 3 || Stopwatch.GetElapsedTime(begin).TotalSeconds < Seconds; round++)
        {
            for (int i = 0; i < runs.Length; i++)
            {
                // Small weights are timed in runs of several, as in a model.
                int calls = (int)Math.Clamp((16L << 20) / runs[i].Bytes, 1, 16);
                long start = Stopwatch.GetTimestamp();
                for (int call = 0; call < calls; call++)
                {
                    runs[i].Run();
                }
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
                if (round >= 0)
                {
                    times[i].Add(runs[i].Bytes / seconds / 1e9);
                }
            }
        }
        return [.. times.Select(list => list.Order().ElementAt(list.Count / 2))];
    }
}

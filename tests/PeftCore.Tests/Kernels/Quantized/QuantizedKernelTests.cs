using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels.Quantized;

/// <summary>Products with quantised matrices against triple loops over the dequantised numbers, at sizes whose rows cross blocks.</summary>
public sealed class QuantizedKernelTests
{
    private static readonly SimdLevel[] Levels = [.. Enum.GetValues<SimdLevel>().Where(l => l <= Gemm.Best)];
    private static readonly Int8Level[] Int8Levels = [.. Enum.GetValues<Int8Level>().Where(l => l <= Int8Tile.Best)];

    [Test]
    public void A_product_of_any_size_and_layout_equals_the_triple_loop([Values("NF4", "FP4", "Int8")] string codes, [Values] bool doubled)
    {
        var kind = Enum.Parse<QuantizedKind>(codes);
        using WorkerPool pool = new(2);
        Random random = new(1);
        for (int round = 0; round < 100; round++)
        {
            foreach (var level in Levels)
            {
                Check(random, random.Next(1, 71), random.Next(1, 90), random.Next(1, 90), kind, doubled, random.Next(2) == 0, pool, level);
            }
        }
    }

    [TestCase(300, 257, 401)]
    [TestCase(1, 513, 300)]
    [TestCase(3, 700, 129)]
    [TestCase(8, 333, 2115)]
    [TestCase(33, 61, 250)]
    [TestCase(257, 8, 300)]
    [TestCase(129, 300, 8)]
    [TestCase(1, 1, 5000)]
    [TestCase(30, 1600, 20)]
    [TestCase(401, 96, 512)]
    public void A_large_or_thin_product_equals_the_triple_loop(int m, int n, int k)
    {
        using WorkerPool pool = new(2);
        Random random = new(2);
        foreach (var level in Levels)
        {
            foreach (var kind in Enum.GetValues<QuantizedKind>())
            {
                Check(random, m, n, k, kind, kind == QuantizedKind.NF4, true, pool, level);
                Check(random, m, n, k, kind, kind == QuantizedKind.NF4, false, pool, level);
            }
        }
    }

    [Test]
    public void A_row_of_few_has_the_bits_it_has_alone([Values("NF4", "FP4", "Int8")] string codes,
        [Values(33, 64, 1100, 2176)] int k, [Values(3, 17, 400)] int n, [Values] bool transB, [Values] bool doubled)
    {
        var kind = Enum.Parse<QuantizedKind>(codes);
        using WorkerPool pool = new(2);
        using NaiveQuantized w = new(Numbers.Random(2, n * k), transB ? n : k, transB ? k : n, kind, doubled);
        float[] a = Numbers.Random(1, Gemm.MaxInvariantRows * k);
        foreach (var level in Levels)
        {
            float[] together = Rows(Gemm.MaxInvariantRows, 0), five = Rows(5, 7);
            for (int row = 0; row < Gemm.MaxInvariantRows; row++)
            {
                float[] alone = Rows(1, row);
                Assert.That(together.AsSpan(row * n, n).SequenceEqual(alone), $"{level} row {row}");
                Assert.That(row is < 7 or >= 12 || five.AsSpan((row - 7) * n, n).SequenceEqual(alone), $"{level} row {row} of 5");
            }

            float[] Rows(int rows, int first)
            {
                float[] c = Numbers.Poison(rows * n);
                Gemm.MultiplyQuantized(rows, n, k, Operand.F32(a.AsSpan(first * k, rows * k), k), w.Matrix, transB, c, n, 1, false, pool,
                    level);
                return c;
            }
        }
    }

    [Test]
    public void Codes_are_decoded_to_the_same_bits_by_all_instructions([Values("NF4", "FP4")] string codes)
    {
        var kind = Enum.Parse<QuantizedKind>(codes);
        using NaiveQuantized w = new(Numbers.Random(3, 4096), 1, 4096, kind, false);
        Random random = new(4);
        for (int round = 0; round < 200; round++)
        {
            int first = random.Next(4000), count = random.Next(4096 - first);
            float[] scalar = Numbers.Poison(count), fast = Numbers.Poison(count);
            NaiveQuantized.Decode(kind, w.Matrix, first, scalar, SimdLevel.Portable);
            foreach (var level in Levels)
            {
                NaiveQuantized.Decode(kind, w.Matrix, first, fast, level);
                Assert.That(fast, Is.EqualTo(scalar), $"{level} {first} {count}");
            }
        }
    }

    [Test]
    public unsafe void Both_shuffles_of_codes_bring_each_lane_its_level([Values("NF4", "FP4")] string codes)
    {
        Assume.That(Avx512BW.IsSupported, "this processor has no AVX-512");
        float* levels = FourBitLevels.Address(Enum.Parse<QuantizedKind>(codes));
        byte* pairs = stackalloc byte[16];
        Random random = new(7);
        for (int round = 0; round < 100; round++)
        {
            random.NextBytes(new Span<byte>(pairs, 16));
            int[] order = [.. new Span<byte>(pairs, 16).ToArray().SelectMany(pair => (int[])[pair >> 4, pair & 15])];
            float[] expected = Array.ConvertAll(order, code => levels[code]);
            FourBitRun.LookUpByBytes(pairs, Vector512.Load(levels), out var first, out var second);
            Assert.That(Of(first, second), Is.EqualTo(expected));
            if (Avx512Vbmi.IsSupported)
            {
                FourBitRun.LookUpByBits(pairs, Vector512.Load(levels), out first, out second);
                Assert.That(Of(first, second), Is.EqualTo(expected));
            }
        }

        static float[] Of(Vector512<float> first, Vector512<float> second) =>
            [.. Enumerable.Range(0, 16).Select(i => first.GetElement(i)), .. Enumerable.Range(0, 16).Select(i => second.GetElement(i))];
    }

    [Test]
    public void The_product_of_llm_int8_equals_the_plain_loops([Values(0f, 6f, 0.9f)] float threshold, [Values(1, 2, 3, 7, 100)] int m,
        [Values(1, 5, 66, 130)] int n, [Values(1, 31, 64, 257)] int k)
    {
        using WorkerPool pool = new(2);
        using NaiveQuantized w = new(Numbers.Random(n, n * k), n, k, QuantizedKind.Int8, false);
        float[] x = Numbers.Random(k, m * k);
        for (int i = 0; i < m * k; i += 37)
        {
            x[i] *= 20;
        }
        double[] expected = w.Int8Product(x, m, threshold);
        foreach (var level in Int8Levels)
        {
            float[] y = Numbers.Poison(m * n);
            Int8Product.Multiply(m, x, w.Matrix, y, threshold, false, pool, level);
            Numbers.AssertClose(y, expected, 1e-5, 1e-5 * Math.Sqrt(k), $"{level}");
            float[] added = Numbers.Random(9, m * n);
            double[] sums = [.. expected.Zip(added, (product, before) => product + before)];
            Int8Product.Multiply(m, x, w.Matrix, added, threshold, true, pool, level);
            Numbers.AssertClose(added, sums, 1e-5, 1e-5 * Math.Sqrt(k), $"{level} added");
        }
    }

    [Test]
    public void Integer_products_are_exact([Values(1, 2, 3, 4)] int m, [Values(1, 3, 4, 9)] int n, [Values(15, 32, 100, 4096)] int k)
    {
        // Numbers of magnitude 127 with scale 127 are their own codes, and so are sums below 2²⁴.
        using WorkerPool pool = new(1);
        Random random = new(5);
        float[] w = [.. Enumerable.Range(0, n * k).Select(i => i % k == 0 ? 127f : random.Next(-9, 10))];
        float[] x = [.. Enumerable.Range(0, m * k).Select(i => i % k == 0 ? -127f : random.Next(-9, 10))];
        using NaiveQuantized matrix = new(w, n, k, QuantizedKind.Int8, false);
        foreach (var level in Int8Levels)
        {
            float[] y = Numbers.Poison(m * n);
            Int8Product.Multiply(m, x, matrix.Matrix, y, 0, false, pool, level);
            for (int i = 0; i < m * n; i++)
            {
                double sum = 0;
                for (int p = 0; p < k; p++)
                {
                    sum += x[(i / n * k) + p] * w[(i % n * k) + p];
                }
                Assert.That(y[i], Is.EqualTo((float)sum * (127f * 127f) * 6.200124e-05f), $"{level} {i}");
            }
        }
    }

    [Test]
    public void Codes_of_any_size_are_those_of_the_plain_loop([Values("NF4", "FP4", "Int8")] string codes, [Values] bool doubled,
        [Values(1, 3, 65)] int rows, [Values(1, 63, 64, 129, 1000)] int columns)
    {
        var kind = Enum.Parse<QuantizedKind>(codes);
        using NaiveQuantized w = new(Numbers.Random(rows, rows * columns, 3f), rows, columns, kind, doubled);
        Assert.That(w.Stored, Is.EqualTo(w.Naive()));
    }

    [Test]
    public void Numbers_of_any_magnitude_are_rounded_to_f16_before_their_code()
    {
        Random random = new(6);
        float[] x = [.. Enumerable.Range(0, 4096).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-26, 17))))];
        foreach (float largest in (float[])[60000f, 1f, 1e-4f, 3e-7f])
        {
            float[] row = [largest, .. x.Where(number => Math.Abs(number) < largest)];
            sbyte[] codes = new sbyte[row.Length];
            float scale = RowCodes.Quantize(row, codes);
            Assert.That(scale, Is.EqualTo((float)(Half)largest));
            Assert.That(codes, Is.EqualTo(Array.ConvertAll(row, number =>
                (sbyte)MathF.Round((float)(Half)number * (1 / scale * 127), MidpointRounding.ToEven))));
        }
    }

    [Test]
    public void A_block_of_zeros_stays_zero([Values("NF4", "FP4", "Int8")] string codes, [Values] bool doubled)
    {
        var kind = Enum.Parse<QuantizedKind>(codes);
        float[] numbers = Numbers.Random(1, 3 * 64);
        numbers.AsSpan(64, 64).Clear();
        using NaiveQuantized w = new(numbers, 3, 64, kind, false);
        Assert.That(w.Numbers().AsSpan(64, 64).ToArray(), Is.All.EqualTo(0f));
        using NaiveQuantized zeros = new(new float[130], 2, 65, kind, doubled);
        Assert.That(zeros.Numbers(), Is.All.EqualTo(0f).Within(1e-37));
    }

    private static void Check(Random random, int m, int n, int k, QuantizedKind kind, bool doubled, bool transB, WorkerPool pool,
        SimdLevel level)
    {
        bool accumulate = random.Next(2) == 0;
        float alpha = random.Next(2) == 0 ? 1f : -0.37f;
        int ldc = n + (random.Next(2) * random.Next(9));
        using NaiveQuantized w = new(Numbers.Random(random.Next(), n * k), transB ? n : k, transB ? k : n, kind, doubled);
        float[] a = Numbers.Random(random.Next(), m * k), b = w.Numbers();
        float[] c = accumulate ? Numbers.Random(random.Next(), m * ldc) : Numbers.Poison(m * ldc);
        double[] expected = Array.ConvertAll(c, x => (double)x);
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = 0;
                for (int p = 0; p < k; p++)
                {
                    sum += (double)a[(i * k) + p] * b[transB ? (j * k) + p : (p * n) + j];
                }
                expected[(i * ldc) + j] = (accumulate ? expected[(i * ldc) + j] : 0) + (alpha * sum);
            }
        }
        Gemm.MultiplyQuantized(m, n, k, Operand.F32(a, k), w.Matrix, transB, c, ldc, alpha, accumulate, pool, level);
        Numbers.AssertClose(c, expected, 1e-5, 2e-6 * Math.Sqrt(k + 1), $"{level} {kind} {m}x{n}x{k}{(transB ? "ᵀ" : "")} ldc {ldc}");
    }
}

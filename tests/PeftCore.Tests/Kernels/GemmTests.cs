using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class GemmTests
{
    // Only instructions of this processor can be tested.
    private static readonly SimdLevel[] Levels = [.. Enum.GetValues<SimdLevel>().Where(l => l <= Gemm.Best)];
    private static readonly ElementType[] Types = [ElementType.F32, ElementType.BF16, ElementType.F16];

    [Test]
    public void A_product_of_any_size_layout_and_type_equals_the_triple_loop()
    {
        using WorkerPool pool = new(2);
        Random random = new(1);
        for (int round = 0; round < 400; round++)
        {
            int m = random.Next(1, 71), n = random.Next(1, 71), k = random.Next(1, 71);
            foreach (var level in Levels)
            {
                Check(random, m, n, k, pool, level);
            }
        }
    }

    [TestCase(300, 257, 401)]
    [TestCase(1, 513, 300)]
    [TestCase(3, 700, 129)]
    [TestCase(8, 333, 515)]
    [TestCase(2, 2100, 200)]
    [TestCase(6, 1300, 130)]
    [TestCase(7, 69, 32)]
    [TestCase(3, 61, 250)]
    [TestCase(257, 8, 300)]
    [TestCase(300, 16, 77)]
    [TestCase(129, 300, 8)]
    [TestCase(8, 300, 700)]
    [TestCase(200, 1, 333)]
    [TestCase(5, 6, 2000)]
    [TestCase(101, 530, 400)]
    [TestCase(4, 1100, 23)]
    [TestCase(1, 1, 5000)]
    [TestCase(30, 1600, 20)]
    [TestCase(1600, 50, 65)]
    public void A_large_or_thin_product_equals_the_triple_loop(int m, int n, int k)
    {
        using WorkerPool pool = new(2);
        Random random = new(2);
        foreach (var level in Levels)
        {
            for (int transposes = 0; transposes < 4; transposes++)
            {
                Check(random, m, n, k, pool, level, transposes);
            }
        }
    }

    [TestCase(100, 700, 500)]
    [TestCase(700, 90, 450)]
    [TestCase(8, 600, 900)]
    [TestCase(700, 7, 300)]
    [TestCase(1, 2304, 300)]
    public void A_product_is_the_same_bits_for_any_number_of_threads_and_allocates_nothing(int m, int n, int k)
    {
        float[] a = Numbers.Random(1, m * k), b = Numbers.Random(2, n * k), once = Numbers.Poison(m * n), again = Numbers.Poison(m * n);
        using (WorkerPool one = new(1))
        {
            Gemm.Multiply(m, n, k, Operand.F32(a, k), false, Operand.F32(b, k), true, once, n, 1f, false, one);
        }

        using WorkerPool three = new(3);
        Gemm.Multiply(m, n, k, Operand.F32(a, k), false, Operand.F32(b, k), true, again, n, 1f, false, three);
        Assert.That(again, Is.EqualTo(once));
        // The least of three calls: .NET allocates once when threads first contend for a lock, a product would allocate each time.
        long least = long.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Gemm.Multiply(m, n, k, Operand.F32(a, k), false, Operand.F32(b, k), true, again, n, 1f, false, three);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.That(least, Is.Zero);
    }

    [Test]
    public void A_row_of_few_has_the_bits_it_has_alone([Values(1, 8, 20, 33, 70, 1100, 2100)] int k, [Values(3, 8, 17, 64, 400)] int n,
        [Values] bool transB)
    {
        using WorkerPool pool = new(2);
        float[] a = Numbers.Random(1, Gemm.MaxInvariantRows * k), b = Numbers.Random(2, n * k), start = Numbers.Random(3, n);
        foreach (var level in Levels)
        {
            foreach (var type in Types)
            {
                byte[] stored = Numbers.Store(b, type, out _);
                float[] together = Rows(Gemm.MaxInvariantRows, 0, stored, type, level), five = Rows(5, 7, stored, type, level);
                for (int row = 0; row < Gemm.MaxInvariantRows; row++)
                {
                    float[] alone = Rows(1, row, stored, type, level);
                    Assert.That(together.AsSpan(row * n, n).SequenceEqual(alone), $"{level} {type} row {row}");
                    Assert.That(row is < 7 or >= 12 || five.AsSpan((row - 7) * n, n).SequenceEqual(alone), $"{level} {type} row {row} of 5");
                }
            }
        }

        float[] Rows(int rows, int first, byte[] stored, ElementType type, SimdLevel level)
        {
            float[] c = [.. Enumerable.Range(0, rows).SelectMany(_ => start)];
            Operand x = Operand.F32(a.AsSpan(first * k, rows * k), k), w = new(stored, type, transB ? k : n);
            Gemm.Multiply(rows, n, k, x, false, w, transB, c, n, 0.3f, true, pool, level);
            return c;
        }
    }

    [Test]
    public void A_product_with_a_packed_factor_of_any_size_layout_and_type_equals_the_triple_loop()
    {
        using WorkerPool pool = new(2);
        Random random = new(3);
        for (int round = 0; round < 200; round++)
        {
            int m = random.Next(1, 60), n = random.Next(1, 110), k = random.Next(1, 60);
            foreach (var level in Levels)
            {
                Check(random, m, n, k, pool, level, packed: true);
            }
        }
    }

    [TestCase(331, 257, 401)]
    [TestCase(1, 513, 300)]
    [TestCase(650, 100, 900)]
    [TestCase(9, 1100, 23)]
    public void A_large_product_with_a_packed_factor_equals_the_triple_loop(int m, int n, int k)
    {
        using WorkerPool pool = new(2);
        Random random = new(4);
        foreach (var level in Levels)
        {
            for (int transposes = 0; transposes < 4; transposes++)
            {
                Check(random, m, n, k, pool, level, transposes, packed: true);
            }
        }
    }

    [Test]
    public void A_product_over_nothing_is_zero_or_leaves_what_was_there()
    {
        using WorkerPool pool = new(1);
        float[] c = Numbers.Poison(6);
        Gemm.Multiply(2, 3, 0, default, false, default, false, c, 3, 1f, false, pool);
        Assert.That(c, Is.All.EqualTo(0f));
        c = [1, 2, 3, 4, 5, 6];
        Gemm.Multiply(2, 3, 0, default, false, default, false, c, 3, 1f, true, pool);
        Assert.That(c, Is.EqualTo(new float[] { 1, 2, 3, 4, 5, 6 }));
    }

    private static void Check(Random random, int m, int n, int k, WorkerPool pool, SimdLevel level, int? transposes = null,
        bool packed = false)
    {
        int both = transposes ?? random.Next(4);
        bool transA = (both & 1) != 0, transB = (both & 2) != 0, accumulate = random.Next(2) == 0;
        ElementType ta = Types[random.Next(3)], tb = Types[random.Next(packed ? 2 : 3)];
        int sa = (transA ? m : k) + random.Next(2) * random.Next(9), sb = (transB ? k : n) + random.Next(2) * random.Next(9);
        int ldc = n + (random.Next(2) * random.Next(9));
        float alpha = random.Next(2) == 0 ? 1f : -0.37f;
        byte[] a = Numbers.Store(Numbers.Random(random.Next(), (transA ? k : m) * sa), ta, out float[] wideA);
        byte[] b = Numbers.Store(Numbers.Random(random.Next(), (transB ? n : k) * sb), tb, out float[] wideB);
        float[] c = accumulate ? Numbers.Random(random.Next(), m * ldc) : Numbers.Poison(m * ldc);
        double[] expected = new double[m * ldc];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < ldc; j++)
            {
                if (j >= n)
                {
                    expected[(i * ldc) + j] = c[(i * ldc) + j];
                    continue;
                }

                double sum = 0;
                for (int p = 0; p < k; p++)
                {
                    sum += (double)(transA ? wideA[(p * sa) + i] : wideA[(i * sa) + p]) * (transB ? wideB[(j * sb) + p]
                        : wideB[(p * sb) + j]);
                }

                expected[(i * ldc) + j] = (accumulate ? c[(i * ldc) + j] : 0) + (alpha * sum);
            }
        }

        Operand left = new(a, ta, sa), right = new(b, tb, sb);
        if (packed)
        {
            byte[] strips = new byte[Gemm.PackedBytes(n, k, tb, level)];
            Gemm.Pack(n, k, right, transB, strips, pool, level);
            Gemm.MultiplyPacked(m, n, k, left, transA, strips, tb, c, ldc, alpha, accumulate, pool, level);
        }
        else
        {
            Gemm.Multiply(m, n, k, left, transA, right, transB, c, ldc, alpha, accumulate, pool, level);
        }

        Numbers.AssertClose(c, expected, 1e-5, 2e-6 * Math.Sqrt(k + 1),
            $"{level} {m}x{n}x{k} {ta}{(transA ? "ᵀ" : "")} {tb}{(transB ? "ᵀ" : "")} ldc {ldc}");
    }
}

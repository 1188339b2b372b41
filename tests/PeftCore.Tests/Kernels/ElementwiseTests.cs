using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class ElementwiseTests
{
    private static readonly int[] Lengths = [0, 1, 7, 8, 31, 1000, 16384, 16385, 70001];

    [Test]
    public void Map_and_its_gradient_apply_the_formula_to_every_element([ValueSource(nameof(Lengths))] int n)
    {
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, n, 4f), dy = Numbers.Random(2, n), y = Numbers.Poison(n), dx = Numbers.Poison(n);
        Elementwise.Map<Silu>(x, y, pool);
        Numbers.AssertClose(y, Expect(n, i => Exact.Silu(x[i])), 1e-6, 1e-6, "map");
        Elementwise.MapGradient<Silu>(x, dy, dx, false, pool);
        double[] slope = Expect(n, i => dy[i] * Exact.Slope(Exact.Silu, x[i]));
        Numbers.AssertClose(dx, slope, 1e-5, 1e-6, "gradient");
        Elementwise.MapGradient<Silu>(x, dy, dx, true, pool);
        Numbers.AssertClose(dx, Expect(n, i => 2 * slope[i]), 1e-5, 2e-6, "accumulated gradient");
        Elementwise.MapGradient<Silu>(x, dy, dy, false, pool);
        Numbers.AssertClose(dy, slope, 1e-5, 1e-6, "gradient in place");
        Elementwise.Map<Silu>(x, x, pool);
        Assert.That(x, Is.EqualTo(y));
    }

    [Test]
    public void A_gated_unit_multiplies_and_its_gradient_may_overwrite_its_inputs([ValueSource(nameof(Lengths))] int n)
    {
        using WorkerPool pool = new(2);
        float[] gate = Numbers.Random(1, n, 4f), up = Numbers.Random(2, n), dh = Numbers.Random(3, n), h = Numbers.Poison(n);
        Elementwise.Gated<GeluTanh>(gate, up, h, pool);
        Numbers.AssertClose(h, Expect(n, i => Exact.GeluTanh(gate[i]) * up[i]), 1e-6, 1e-6, "gated");
        double[] dgate = Expect(n, i => dh[i] * up[i] * Exact.Slope(Exact.GeluTanh, gate[i]));
        double[] dup = Expect(n, i => dh[i] * Exact.GeluTanh(gate[i]));
        float[] a = Numbers.Poison(n), b = Numbers.Poison(n);
        Elementwise.GatedGradient<GeluTanh>(gate, up, dh, a, b, pool);
        Numbers.AssertClose(a, dgate, 1e-5, 2e-6, "dgate");
        Numbers.AssertClose(b, dup, 1e-5, 2e-6, "dup");
        Elementwise.GatedGradient<GeluTanh>(gate, up, dh, gate, up, pool);
        Assert.That(gate, Is.EqualTo(a));
        Assert.That(up, Is.EqualTo(b));
    }

    [Test]
    public void Sums_products_and_scalings_are_exact_element_by_element([ValueSource(nameof(Lengths))] int n)
    {
        using WorkerPool pool = new(2);
        float[] a = Numbers.Random(1, n), b = Numbers.Random(2, n), y = Numbers.Poison(n);
        Elementwise.Add(a, b, y, pool);
        Assert.That(y, Is.EqualTo(a.Zip(b, (p, q) => p + q)));
        Array.Fill(y, float.NaN);
        Elementwise.Multiply(a, b, y, false, pool);
        Assert.That(y, Is.EqualTo(a.Zip(b, (p, q) => p * q)));
        Elementwise.Multiply(a, b, y, true, pool);
        Assert.That(y, Is.EqualTo(a.Zip(b, (p, q) => (p * q) + (p * q))));
        Array.Fill(y, float.NaN);
        Elementwise.Scale(a, 2.5f, y, false, pool);
        Assert.That(y, Is.EqualTo(a.Select(p => p * 2.5f)));
        Elementwise.Scale(a, 2.5f, y, true, pool);
        Assert.That(y, Is.EqualTo(a.Select(p => p * 5f)));
    }

    [TestCase(1, 1)]
    [TestCase(3, 17)]
    [TestCase(70, 33)]
    [TestCase(700, 130)]
    [TestCase(2000, 3)]
    [TestCase(5, 20000)]
    public void Row_and_column_forms_equal_their_loops(int rows, int cols)
    {
        using WorkerPool pool = new(2);
        int n = rows * cols;
        float[] x = Numbers.Random(1, n), z = Numbers.Random(2, n), row = Numbers.Random(3, cols), column = Numbers.Random(4, rows);
        float[] y = [.. x];
        Elementwise.AddRow(y, row, rows, cols, pool);
        Numbers.AssertClose(y, Expect(n, i => x[i] + row[i % cols]), 1e-6, 1e-7, "add row");
        foreach (bool accumulate in new[] { false, true })
        {
            float[] Start(int count) => accumulate ? Numbers.Random(5, count) : Numbers.Poison(count);
            double Old(float[] from, int i) => accumulate ? from[i] : 0;

            float[] old = Start(n);
            y = [.. old];
            Elementwise.MultiplyRow(x, row, y, rows, cols, accumulate, pool);
            Numbers.AssertClose(y, Expect(n, i => Old(old, i) + (x[i] * row[i % cols])), 1e-6, 1e-6, "multiply row");
            y = [.. old];
            Elementwise.MultiplyColumn(x, column, y, rows, cols, accumulate, pool);
            Numbers.AssertClose(y, Expect(n, i => Old(old, i) + (x[i] * column[i / cols])), 1e-6, 1e-6, "multiply column");

            float[] oldRow = Start(cols);
            y = [.. oldRow];
            Elementwise.SumRows(x, y, rows, cols, accumulate, pool);
            Numbers.AssertClose(y, Expect(cols, c => Old(oldRow, c) + Sum(rows, r => x[(r * cols) + c])), 1e-5, 1e-4, "sum of rows");
            y = [.. oldRow];
            Elementwise.MultiplySumRows(x, z, y, rows, cols, accumulate, pool);
            Numbers.AssertClose(
                y, Expect(cols, c => Old(oldRow, c) + Sum(rows, r => (double)x[(r * cols) + c] * z[(r * cols) + c])), 1e-5, 1e-4,
                "sum of products");

            float[] oldDots = Start(rows);
            y = [.. oldDots];
            Elementwise.RowDots(x, z, y, rows, cols, accumulate, pool);
            Numbers.AssertClose(
                y, Expect(rows, r => Old(oldDots, r) + Sum(cols, c => (double)x[(r * cols) + c] * z[(r * cols) + c])), 1e-5, 1e-4, "dots");
        }
    }

    [Test]
    public void The_sum_of_squares_is_that_and_the_same_for_any_number_of_threads([ValueSource(nameof(Lengths))] int n)
    {
        using WorkerPool one = new(1), three = new(3);
        float[] x = Numbers.Random(1, n);
        float found = Elementwise.SumOfSquares(x, one);
        Assert.That(found, Is.EqualTo(Sum(n, i => (double)x[i] * x[i])).Within(1e-6 * n));
        Assert.That(Elementwise.SumOfSquares(x, three), Is.EqualTo(found));
    }

    [Test]
    public void A_single_bad_element_is_found_wherever_it_is()
    {
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, 40003);
        Assert.That(Elementwise.AllFinite(x, pool));
        foreach (int at in new[] { 0, 5, 16383, 16384, 40002 })
        {
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                float old = x[at];
                x[at] = bad;
                Assert.That(Elementwise.AllFinite(x, pool), Is.False);
                x[at] = old;
            }
        }

        x[3] = float.MaxValue;
        x[11] = float.MaxValue;
        Assert.That(Elementwise.AllFinite(x, pool));
    }

    [Test]
    public void A_buffer_that_is_too_short_is_refused()
    {
        using WorkerPool pool = new(1);
        Assert.That(() => Elementwise.Map<Relu>(new float[4], new float[3], pool), Throws.ArgumentException);
        Assert.That(() => Elementwise.Add(new float[4], new float[3], new float[4], pool), Throws.ArgumentException);
    }

    private static double[] Expect(int n, Func<int, double> f) => [.. Enumerable.Range(0, n).Select(f)];

    private static double Sum(int n, Func<int, double> f) => Enumerable.Range(0, n).Sum(f);
}

using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Kernels;

public sealed class NormTests
{
    private const double Epsilon = 1e-3;

    [Test]
    public void Rms_norm_and_its_gradients_equal_differences_of_the_formula(
        [Values(1, 3, 600)] int rows, [Values(1, 5, 41)] int cols, [Values(DType.F32, DType.BF16, DType.F16)] DType dtype,
        [Values(0f, 1f)] float offset, [Values] bool affine)
    {
        var type = dtype.Element;
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, rows * cols, 2f), dy = Numbers.Random(2, rows * cols);
        byte[] stored = Numbers.Store(Numbers.Random(3, cols), type, out float[] w);
        var weight = affine ? Operand.Row(stored, type) : default;
        float[] y = Numbers.Poison(x.Length), rstd = Numbers.Poison(rows);
        Norms.RmsForward(x, weight, offset, y, rstd, rows, cols, (float)Epsilon, pool);
        double[] gain = [.. w.Select(v => affine ? (double)v + offset : 1)];
        double[] expected = new double[x.Length], expectedDx = new double[x.Length], expectedDw = new double[cols];
        for (int r = 0; r < rows; r++)
        {
            double[] row = Row(x, r, cols), up = Row(dy, r, cols);
            double[] normed = Rms(row);
            for (int c = 0; c < cols; c++)
            {
                expected[(r * cols) + c] = normed[c] * gain[c];
                expectedDw[c] += up[c] * normed[c];
            }

            Difference(row, v => Dot(Rms(v).Zip(gain, (a, b) => a * b), up), expectedDx, r);
        }

        Numbers.AssertClose(y, expected, 2e-6, 1e-6, "forward");
        foreach (bool accumulate in new[] { false, true })
        {
            float[] oldX = accumulate ? Numbers.Random(5, x.Length) : Numbers.Poison(x.Length), dx = [.. oldX];
            float[] oldW = accumulate ? Numbers.Random(6, cols) : Numbers.Poison(cols), dw = [.. oldW];
            Norms.RmsBackward(x, weight, offset, rstd, dy, dx, accumulate, dw, accumulate, rows, cols, pool);
            Numbers.AssertClose(dx, Plus(expectedDx, oldX, accumulate), 2e-4, 2e-5, "dx");
            Numbers.AssertClose(dw, Plus(expectedDw, oldW, accumulate), 2e-5, 2e-5, "dw");
        }

        float[] inPlace = [.. dy], only = Numbers.Poison(cols);
        Norms.RmsBackward(x, weight, offset, rstd, dy, [], false, only, false, rows, cols, pool);
        Norms.RmsBackward(x, weight, offset, rstd, inPlace, inPlace, false, [], false, rows, cols, pool);
        Numbers.AssertClose(inPlace, expectedDx, 2e-4, 2e-5, "dx in place");
        Numbers.AssertClose(only, expectedDw, 2e-5, 2e-5, "dw alone");
    }

    [Test]
    public void Layer_norm_and_its_gradients_equal_differences_of_the_formula(
        [Values(1, 3, 600)] int rows, [Values(1, 5, 41)] int cols, [Values(DType.F32, DType.BF16, DType.F16)] DType dtype,
            [Values] bool affine)
    {
        var type = dtype.Element;
        using WorkerPool pool = new(2);
        float[] x = Numbers.Random(1, rows * cols, 2f), dy = Numbers.Random(2, rows * cols);
        byte[] stored = Numbers.Store(Numbers.Random(3, cols), type, out float[] w),
            storedBias = Numbers.Store(Numbers.Random(4, cols), type, out float[] bias);
        Operand weight = affine ? Operand.Row(stored, type) : default, shift = affine ? Operand.Row(storedBias, type) : default;
        float[] y = Numbers.Poison(x.Length), mean = Numbers.Poison(rows), rstd = Numbers.Poison(rows);
        Norms.LayerForward(x, weight, shift, y, mean, rstd, rows, cols, (float)Epsilon, pool);
        double[] gain = [.. w.Select(v => affine ? (double)v : 1)];
        double[] expected = new double[x.Length], expectedDx = new double[x.Length], expectedDw = new double[cols],
            expectedDb = new double[cols];
        for (int r = 0; r < rows; r++)
        {
            double[] row = Row(x, r, cols), up = Row(dy, r, cols);
            double[] normed = Layer(row);
            for (int c = 0; c < cols; c++)
            {
                expected[(r * cols) + c] = (normed[c] * gain[c]) + (affine ? bias[c] : 0);
                expectedDw[c] += up[c] * normed[c];
                expectedDb[c] += up[c];
            }

            Difference(row, v => Dot(Layer(v).Zip(gain, (a, b) => a * b), up), expectedDx, r);
        }

        Numbers.AssertClose(y, expected, 2e-6, 2e-6, "forward");
        foreach (bool accumulate in new[] { false, true })
        {
            float[] oldX = accumulate ? Numbers.Random(5, x.Length) : Numbers.Poison(x.Length), dx = [.. oldX];
            float[] oldW = accumulate ? Numbers.Random(6, cols) : Numbers.Poison(cols), dw = [.. oldW], db = [.. oldW];
            Norms.LayerBackward(x, weight, mean, rstd, dy, dx, accumulate, dw, accumulate, db, accumulate, rows, cols, pool);
            Numbers.AssertClose(dx, Plus(expectedDx, oldX, accumulate), 2e-4, 5e-5, "dx");
            Numbers.AssertClose(dw, Plus(expectedDw, oldW, accumulate), 2e-5, 3e-5, "dw");
            Numbers.AssertClose(db, Plus(expectedDb, oldW, accumulate), 2e-5, 3e-5, "db");
        }

        float[] inPlace = [.. dy];
        Norms.LayerBackward(x, weight, mean, rstd, inPlace, inPlace, false, [], false, [], false, rows, cols, pool);
        Numbers.AssertClose(inPlace, expectedDx, 2e-4, 5e-5, "dx in place");
    }

    private static double[] Rms(double[] x)
    {
        double scale = 1 / Math.Sqrt((x.Sum(v => v * v) / x.Length) + Epsilon);
        return [.. x.Select(v => v * scale)];
    }

    private static double[] Layer(double[] x)
    {
        double mean = x.Average(), scale = 1 / Math.Sqrt(x.Average(v => (v - mean) * (v - mean)) + Epsilon);
        return [.. x.Select(v => (v - mean) * scale)];
    }

    private static void Difference(double[] row, Func<double[], double> f, double[] into, int r)
    {
        for (int c = 0; c < row.Length; c++)
        {
            double old = row[c];
            row[c] = old + 1e-5;
            double above = f(row);
            row[c] = old - 1e-5;
            into[(r * row.Length) + c] = (above - f(row)) / 2e-5;
            row[c] = old;
        }
    }

    private static double Dot(IEnumerable<double> a, double[] b) => a.Zip(b, (p, q) => p * q).Sum();

    private static double[] Row(float[] x, int r, int cols) => [.. x.Skip(r * cols).Take(cols).Select(v => (double)v)];

    private static double[] Plus(double[] x, float[] old, bool accumulate) => [.. x.Select((v, i) => accumulate ? v + old[i] : v)];
}

using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class LionAndAdafactorTests
{
    [Test]
    public unsafe void Lion_follows_its_equations_over_many_steps([Values(1, 7, 33, 20_001)] int n)
    {
        using WorkerPool pool = new(2);
        float[] p = Numbers.Random(1, n), m = new float[n];
        double[] rp = [.. p.Select(x => (double)x)], rm = new double[n];
        for (int step = 1; step <= 12; step++)
        {
            float[] g = Numbers.Random(10 + step, n);
            g[0] = 0;
            fixed (float* pp = p, pg = g, pm = m)
            {
                LionBody[] bodies = [new(LionFactors.Of(new Optimizers.Lion(1e-2f, 0.9f, 0.99f, 0.1f), 0.5f), pp, pg, pm)];
                MultiTensorLoop.For(bodies, [n], pool);
            }
            for (int i = 0; i < n; i++)
            {
                double gi = 0.5 * g[i];
                rp[i] = (rp[i] * (1 - (1e-2 * 0.1))) - (1e-2 * Math.Sign((0.9 * rm[i]) + (0.1 * gi)));
                rm[i] = (0.99 * rm[i]) + (0.01 * gi);
            }
        }

        Numbers.AssertClose(p, rp, 1e-5, 2e-6, "parameters");
        Numbers.AssertClose(m, rm, 1e-5, 1e-7, "moment");
    }

    [Test]
    public unsafe void Lion_is_that_of_its_scalar_twin_to_the_bit([Values(1, 9, 1031)] int n)
    {
        float[] p = Numbers.Random(1, n), m = Numbers.Random(2, n), g = Numbers.Random(3, n), tp = [.. p], tm = [.. m];
        var f = LionFactors.Of(new Optimizers.Lion(1e-2f, 0.9f, 0.99f, 0.1f), 0.5f);
        fixed (float* pp = p, pg = g, pm = m)
        {
            new LionBody(f, pp, pg, pm).Run(0, n);
        }
        for (int i = 0; i < n; i++)
        {
            (tp[i], tm[i]) = (f.Value(tp[i], tm[i], g[i]), f.Moment(tm[i], g[i]));
        }
        Assert.That(p.AsSpan().SequenceEqual(tp) && m.AsSpan().SequenceEqual(tm));
    }

    [TestCase(1, 1, 1)]
    [TestCase(1, 16, 333)]
    [TestCase(1, 700, 16)]
    [TestCase(1, 129, 257)]
    [TestCase(5, 3, 3)]
    [TestCase(3, 7, 20_000)]
    public void Adafactor_follows_its_equations_on_matrices(int matrices, int rows, int columns)
    {
        int n = matrices * rows * columns;
        float[] p = Numbers.Random(1, n), row = new float[matrices * rows], column = new float[matrices * columns];
        double[] rp = [.. p.Select(x => (double)x)], rr = new double[row.Length], rc = new double[column.Length];
        for (int step = 1; step <= 6; step++)
        {
            float[] g = Numbers.Random(10 + step, n, step % 2 == 0 ? 3 : 0.1f);
            float[] alone = [.. p], aloneRow = [.. row], aloneColumn = [.. column];
            Run(p, g, row, column, matrices, rows, columns, step, threads: 3);
            Run(alone, g, aloneRow, aloneColumn, matrices, rows, columns, step, threads: 1);
            Assert.That(p.AsSpan().SequenceEqual(alone) && row.AsSpan().SequenceEqual(aloneRow), "threads change no bit");
            double decay = 1 - Math.Pow(step, -0.8);
            double[] u = new double[n];
            for (int matrix = 0; matrix < matrices; matrix++)
            {
                double Square(int r, int c) => Math.Pow(0.5 * g[(((matrix * rows) + r) * columns) + c], 2) + 1e-30;
                for (int r = 0; r < rows; r++)
                {
                    double mean = Enumerable.Range(0, columns).Average(c => Square(r, c));
                    rr[(matrix * rows) + r] = (decay * rr[(matrix * rows) + r]) + ((1 - decay) * mean);
                }
                for (int c = 0; c < columns; c++)
                {
                    double mean = Enumerable.Range(0, rows).Average(r => Square(r, c));
                    rc[(matrix * columns) + c] = (decay * rc[(matrix * columns) + c]) + ((1 - decay) * mean);
                }
                double all = rr[(matrix * rows)..((matrix + 1) * rows)].Average();
                for (int i = 0; i < rows * columns; i++)
                {
                    double factor = rr[(matrix * rows) + (i / columns)] / all, inverse = rc[(matrix * columns) + (i % columns)];
                    u[(matrix * rows * columns) + i] = 0.5 * g[(matrix * rows * columns) + i] / Math.Sqrt(factor) / Math.Sqrt(inverse);
                }
            }
            Apply(rp, u);
        }

        Numbers.AssertClose(row, rr, 1e-5, 1e-9, "moments of rows");
        Numbers.AssertClose(column, rc, 1e-5, 1e-9, "moments of columns");
        Numbers.AssertClose(p, rp, 1e-5, 2e-6, "parameters");
    }

    [Test]
    public void Adafactor_follows_its_equations_on_vectors([Values(1, 33, 40_001)] int n)
    {
        float[] p = Numbers.Random(1, n), v = new float[n];
        double[] rp = [.. p.Select(x => (double)x)], rv = new double[n];
        for (int step = 1; step <= 6; step++)
        {
            float[] g = Numbers.Random(10 + step, n);
            g[^1] = 0;
            Run(p, g, v, null, 1, n, 1, step, threads: 2);
            double decay = 1 - Math.Pow(step, -0.8);
            double[] u = new double[n];
            for (int i = 0; i < n; i++)
            {
                double gi = 0.5 * g[i];
                rv[i] = (decay * rv[i]) + ((1 - decay) * ((gi * gi) + 1e-30));
                u[i] = gi / Math.Sqrt(rv[i]);
            }
            Apply(rp, u);
        }

        Numbers.AssertClose(v, rv, 1e-5, 1e-9, "moments");
        Numbers.AssertClose(p, rp, 1e-5, 2e-6, "parameters");
    }

    private static void Apply(double[] p, double[] u)
    {
        double clip = Math.Max(1, Math.Sqrt(u.Average(x => x * x)));
        for (int i = 0; i < p.Length; i++)
        {
            p[i] = p[i] - (0.1 * 1e-2 * p[i]) - (1e-2 * u[i] / clip);
        }
    }

    private static unsafe void Run(float[] p, float[] g, float[] row, float[]? column, int matrices, int rows, int columns, int step,
        int threads)
    {
        using WorkerPool pool = new(threads);
        fixed (float* pp = p, pg = g, pr = row, pc = column)
        {
            AdafactorStep.Run(AdafactorFactors.Of(new Optimizers.Adafactor(1e-2f, 0.1f, step), 0.5f),
                new AdafactorStep.Operands((nint)pp, (nint)pg, (nint)pr, (nint)pc, matrices, rows, columns), pool);
        }
    }
}

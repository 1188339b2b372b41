using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class OptimizerTests
{
    [Test]
    public void AdamW_follows_its_equations_over_many_steps([Values(1, 7, 33, 20001)] int n)
    {
        using WorkerPool pool = new(2);
        float[] p = Numbers.Random(1, n), m = new float[n], v = new float[n];
        double[] rp = [.. p.Select(x => (double)x)], rm = new double[n], rv = new double[n];
        for (int step = 1; step <= 12; step++)
        {
            float[] g = Numbers.Random(10 + step, n);
            Optimizers.Step(new Optimizers.AdamW(1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, step), p, g, 0.5f, m, v, pool);
            for (int i = 0; i < n; i++)
            {
                double gi = 0.5 * g[i];
                rp[i] *= 1 - (1e-2 * 0.1);
                rm[i] = (0.9 * rm[i]) + (0.1 * gi);
                rv[i] = (0.999 * rv[i]) + (0.001 * gi * gi);
                rp[i] -= 1e-2 * (rm[i] / (1 - Math.Pow(0.9, step))) / (Math.Sqrt(rv[i] / (1 - Math.Pow(0.999, step))) + 1e-8);
            }
        }

        Numbers.AssertClose(p, rp, 1e-5, 2e-6, "parameters");
        Numbers.AssertClose(m, rm, 1e-5, 1e-7, "first moment");
        Numbers.AssertClose(v, rv, 1e-5, 1e-9, "second moment");
    }

    [Test]
    public unsafe void A_step_over_many_tensors_is_that_of_each_alone([Values(1, 2)] int threads)
    {
        using WorkerPool pool = new(threads);
        int[] lengths = [5, 0, 40_000, 1, 16_384, 0, 33];
        int all = lengths.Sum();
        float[] p = Numbers.Random(1, all), g = Numbers.Random(2, all), m = Numbers.Random(3, all),
            v = [.. Numbers.Random(4, all).Select(Math.Abs)];
        float[] rp = [.. p], rm = [.. m], rv = [.. v];
        var tasks = new Optimizers.AdamTask[lengths.Length];
        fixed (float* pp = p, pg = g, pm = m, pv = v)
        {
            for (int i = 0, at = 0; i < lengths.Length; at += lengths[i++])
            {
                Optimizers.AdamW h = new(1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f * i, 1 + i);
                tasks[i] = new Optimizers.AdamTask(h, pp + at, pg + at, pm + at, pv + at, lengths[i]);
                Optimizers.Step(h, rp.AsSpan(at, lengths[i]), g.AsSpan(at, lengths[i]), 0.5f, rm.AsSpan(at), rv.AsSpan(at), pool);
            }

            Optimizers.Step(tasks, 0.5f, pool);
        }

        Assert.That(p.AsSpan().SequenceEqual(rp) && m.AsSpan().SequenceEqual(rm) && v.AsSpan().SequenceEqual(rv));
    }

    [Test]
    public void Sgd_follows_its_equations_with_and_without_momentum([Values(1, 33, 20001)] int n, [Values] bool nesterov,
        [Values(0f, 0.9f)] float momentum)
    {
        using WorkerPool pool = new(2);
        float[] p = Numbers.Random(1, n), buffer = momentum == 0 ? [] : Numbers.Poison(n);
        double[] rp = [.. p.Select(x => (double)x)], rb = new double[n];
        for (int step = 1; step <= 5; step++)
        {
            float[] g = Numbers.Random(10 + step, n);
            Optimizers.SgdStep(p, g, 2f, buffer, 0.05f, momentum, 0.01f, nesterov, step == 1, pool);
            for (int i = 0; i < n; i++)
            {
                double gi = (2.0 * g[i]) + (0.01 * rp[i]);
                rb[i] = step == 1 ? gi : (momentum * rb[i]) + gi;
                rp[i] -= 0.05 * (momentum == 0 ? gi : nesterov ? gi + (momentum * rb[i]) : rb[i]);
            }
        }

        Numbers.AssertClose(p, rp, 1e-5, 1e-6, "parameters");
    }
}

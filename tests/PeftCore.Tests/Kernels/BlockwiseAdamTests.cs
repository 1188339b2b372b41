using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

/// <summary>The 8-bit step of the processor against its scalar twin, to the bit, and against its equations in float64.</summary>
public sealed class BlockwiseAdamTests
{
    [Test]
    public void A_step_is_that_of_its_scalar_twin_to_the_bit([Values(1, 255, 256, 257, 5000, 40_001)] int n, [Values(1, 3)] int threads)
    {
        using WorkerPool pool = new(threads);
        var (state, twin) = (new State(n), new State(n));
        for (int step = 1; step <= 5; step++)
        {
            float[] g = Numbers.Random(10 + step, n);
            Optimizers.AdamW h = new(1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, step);
            state.Step(h, g, 0.5f, pool);
            twin.StepOneByOne(h, g, 0.5f);
            Assert.That(state.Everything, Is.EqualTo(twin.Everything), $"step {step}");
        }
    }

    [Test]
    public void A_step_follows_its_equations([Values(1, 300, 20_001)] int n)
    {
        using WorkerPool pool = new(2);
        State state = new(n);
        double[] p = [.. state.P.Select(x => (double)x)];
        for (int step = 1; step <= 8; step++)
        {
            // Each step begins with the moments that the codes mean, which rounding has changed.
            double[] m = [.. Decoded(state.State1, state.Absmax1, DynamicMap.Signed)],
                v = [.. Decoded(state.State2, state.Absmax2, DynamicMap.Unsigned)];
            float[] g = Numbers.Random(10 + step, n);
            state.Step(new Optimizers.AdamW(1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, step), g, 0.5f, pool);
            double c1 = 1 - Math.Pow(0.9f, step), c2 = Math.Sqrt(1 - Math.Pow(0.999f, step));
            for (int i = 0; i < n; i++)
            {
                double gi = 0.5 * g[i];
                m[i] = (0.9f * m[i]) + ((1 - 0.9f) * gi);
                v[i] = (0.999f * v[i]) + ((1 - 0.999f) * gi * gi);
                p[i] = (p[i] - (1e-2 * c2 / c1 * (m[i] / (Math.Sqrt(v[i]) + (c2 * 1e-8))))) * (1 - (1e-2 * 0.1));
            }
            AssertCodes(state.State1, state.Absmax1, m, DynamicMap.Signed);
            AssertCodes(state.State2, state.Absmax2, v, DynamicMap.Unsigned);
            Numbers.AssertClose(state.P, p, 1e-5, 1e-6, $"parameters after step {step}");
        }
    }

    [Test]
    public void A_first_moment_keeps_its_sign_and_a_gradient_that_is_not_finite_changes_no_value()
    {
        using WorkerPool pool = new(1);
        State state = new(300);
        float[] before = [.. state.P], g = new float[300];
        // 1 sets the scale; the others are far below half of the least number of the map.
        (g[0], g[1], g[2], g[3], g[4]) = (1, 1e-9f, -1e-9f, float.NaN, float.NegativeInfinity);
        state.Step(new Optimizers.AdamW(1e-2f, 0.9f, 0.999f, 1e-8f, 0, 1), g, 1, pool);
        float[] values = DynamicMap.Signed.Values;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values[state.State1[0]], Is.EqualTo(1));
            Assert.That(values[state.State1[1]], Is.Zero);
            Assert.That(values[state.State1[2]], Is.EqualTo(-5.5e-7f).Within(1e-12), "less than 0 is not rounded to 0");
            Assert.That(state.P[3..5], Is.EqualTo(before[3..5]));
            Assert.That(values[state.State1[3]] * state.Absmax1[0], Is.Zero);
            Assert.That(state.Absmax1, Is.EqualTo([0.1f, 0]).Within(1e-7), "the second block has no gradient");
            Assert.That(state.P[256..], Is.EqualTo(before[256..]));
        }
    }

    private static void AssertCodes(byte[] codes, float[] absmax, double[] expected, DynamicMap map)
    {
        int n = codes.Length;
        float[] found = Decoded(codes, absmax, map);
        for (int block = 0; block < absmax.Length; block++)
        {
            double largest = expected[(block * 256)..Math.Min(n, (block + 1) * 256)].Max(Math.Abs);
            Assert.That(absmax[block], Is.EqualTo(largest).Within(1e-5 * largest));
            for (int i = block * 256; i < Math.Min(n, (block + 1) * 256); i++)
            {
                // Half of the distance of two neighbours, which is at most 0.9/64 of the greatest, and 0.9 of a number's decade.
                double slack = Math.Min(0.0072 * largest, (0.5 * Math.Abs(expected[i])) + (1e-6 * largest));
                Assert.That(found[i], Is.EqualTo(expected[i]).Within(slack), $"element {i}");
            }
        }
    }

    private static float[] Decoded(byte[] codes, float[] absmax, DynamicMap map) => BlockwiseCodes.Decode(codes, absmax, map);

    /// <summary>A parameter with its state.</summary>
    private sealed class State(int n)
    {
        public float[] P { get; } = Numbers.Random(1, n);

        public byte[] State1 { get; private set; } = new byte[n];

        public byte[] State2 { get; private set; } = new byte[n];

        public float[] Absmax1 { get; private set; } = new float[(n + 255) / 256];

        public float[] Absmax2 { get; private set; } = new float[(n + 255) / 256];

        public IEnumerable<object> Everything => [P, State1, State2, Absmax1, Absmax2];

        public unsafe void Step(in Optimizers.AdamW h, float[] g, float scale, WorkerPool pool)
        {
            fixed (float* pp = P, pg = g, a1 = Absmax1, a2 = Absmax2)
            fixed (byte* s1 = State1, s2 = State2)
            {
                BlockwiseAdamBody[] bodies = [new(BlockwiseAdamFactors.Of(h, scale), pp, pg, s1, s2, a1, a2)];
                MultiTensorLoop.For(bodies, [n], pool);
            }
        }

        public void StepOneByOne(in Optimizers.AdamW h, float[] g, float scale)
        {
            var f = BlockwiseAdamFactors.Of(h, scale);
            float[] m = Decoded(State1, Absmax1, DynamicMap.Signed), v = Decoded(State2, Absmax2, DynamicMap.Unsigned);
            for (int i = 0; i < n; i++)
            {
                (m[i], v[i]) = (f.First(m[i], g[i]), f.Second(v[i], g[i]));
                P[i] = f.Value(P[i], m[i], v[i]);
            }
            (State1, Absmax1) = BlockwiseCodes.Encode(m, DynamicMap.Signed);
            (State2, Absmax2) = BlockwiseCodes.Encode(v, DynamicMap.Unsigned);
        }
    }
}

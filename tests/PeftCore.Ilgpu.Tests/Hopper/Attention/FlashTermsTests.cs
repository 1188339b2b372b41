using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu.Tests;

/// <summary>The terms of Hopper's attention kernels, thread by thread without a card: <see cref="PtxThread"/> runs their PTX.</summary>
public sealed class FlashTermsTests
{
    // Columns of the tiles of forward.64, queries.64 and, with terms, keys.64.
    private const int Forward = 96, Queries = 64, Keys = 64;

    [TestCase(true)]
    [TestCase(false)]
    public void A_bias_is_added_where_query_and_key_exist(bool pairs)
    {
        int keys = pairs ? 50 : 51;
        float[] bias = Random(1, 2 * 20 * keys);
        bias[5] = float.NegativeInfinity;
        // The thread's rows are queries 3 and 11 of the second matrix, of which the latter does not exist; its first column is key 2.
        long at = 4 * ((20 * keys) + (3 * keys) + 2);
        var thread = Scores(bias, Forward, out float[] before);

        string form = pairs ? "pairs" : "singles";
        thread.Run(Expand("forward.64", $"peft.rowbias.{form} {at}, {at + 32 * keys}, {keys - 2}, 0, 0f40000000;"));

        Each(Forward, (i, row, column) => Assert.That(thread[$"s{i}"],
            Is.EqualTo(before[i] + (row == 0 && column + 2 < keys ? 2 * bias[(at / 4) + column] : 0)).Within(1e-6), $"register {i}"));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void The_gradient_of_a_bias_is_added_where_query_and_key_exist(bool pairs)
    {
        int keys = pairs ? 50 : 51, first = (3 * keys) + 2;
        float[] before = Random(1, 12 * keys), sums = [.. before];
        var thread = Scores(sums, Queries, out float[] s);

        string form = pairs ? "pairs" : "singles";
        thread.Run(Expand("queries.64", $"peft.rowbiasgrad.{form} {4 * first}, {(4 * first) + (32 * keys)}, {keys - 2}, {keys - 2};"));

        float[] expected = [.. before];
        Each(Queries, (i, row, column) =>
        {
            if (column + 2 < keys)
            {
                expected[first + (8 * row * keys) + column] += s[i];
            }
        });
        Assert.That(sums, Is.EqualTo(expected).Within(1e-6));
    }

    [Test]
    public void A_bias_of_transposed_scores_is_added_where_query_and_key_exist()
    {
        int keys = 17, queries = 30;
        float[] bias = Random(1, queries * keys);
        // Columns are queries from 4 on; rows are keys 7 and 15.
        long at = 4 * ((4 * keys) + 7);
        var thread = Scores(bias, Keys, out float[] before);

        thread.Run(Expand("keys.64", $"peft.columnbias {at}, {4 * keys}, {queries - 4}, 1, 1, 0f3F000000;"));

        Each(Keys, (i, row, column) => Assert.That(thread[$"s{i}"],
            Is.EqualTo(before[i] + (column + 4 < queries ? 0.5f * bias[((4 + column) * keys) + 7 + (8 * row)] : 0)).Within(1e-6)));
    }

    [Test]
    public void Slopes_grow_along_a_row_by_the_step()
    {
        var thread = Scores([], Forward, out float[] before);
        (thread["first0"], thread["first1"], thread["step"]) = (-3, 5, 0.25f);

        thread.Run(Expand("forward.64", "peft.ramp first0, first1, step;"));

        Each(Forward, (i, row, column) =>
            Assert.That(thread[$"s{i}"], Is.EqualTo(before[i] + (row == 0 ? -3 : 5) + (0.25f * column)).Within(1e-5)));
    }

    [Test]
    public void A_soft_cap_and_its_derivative_are_those_of_tanh()
    {
        const float scale = 0.125f, cap = 3, log2E = 1.44269504f;
        var thread = Scores([], Queries, out float[] before, 60);
        (thread["e"], thread["b"], thread["inverse"], thread["c"]) = (2 * log2E * scale / cap, cap / scale, scale / cap, scale * log2E);
        (thread["lse0"], thread["lse1"]) = (-1, -0.5f);

        thread.Run(Expand("queries.64", "peft.cap e, b;"));
        Each(Queries, (i, _, _) =>
            Assert.That(thread[$"s{i}"] * scale, Is.EqualTo(cap * MathF.Tanh(before[i] * scale / cap)).Within(1e-5)));
        thread["s3"] = float.NegativeInfinity;
        thread.Run(Expand("queries.64", "peft.rowweights.cap c, inverse;"));

        Each(Queries, (i, row, _) =>
        {
            double t = Math.Tanh(before[i] * scale / cap), p = Math.Exp(cap * t) * Math.Pow(2, row == 0 ? -1 : -0.5);
            Assert.That(thread[$"s{i}"], Is.EqualTo(i == 3 ? 0 : p * (1 - (t * t))).Within(1e-4 * Math.Exp(cap)));
        });
    }

    [Test]
    public void A_soft_cap_of_transposed_scores_leaves_the_derivative_in_the_scores()
    {
        float[] stats = Random(2, 4 * Keys);
        var thread = Scores([], Keys, out float[] before, 0.9f, stats);
        (thread["c"], thread["inverse"]) = (1, 1);

        thread.Run(Expand("keys.64", "peft.columnweights.cap 0, c, inverse;"));
        Each(Keys, (i, _, column) => Assert.That(thread[$"s{i}"],
            Is.EqualTo(MathF.Pow(2, before[i] + stats[column]) * (1 - (before[i] * before[i]))).Within(1e-5)));
        Gradients(thread, Keys, out float[] g);
        string slopes = Expand("keys.64", "peft.columnslopes.cap 0;");
        float[] s = [.. Enumerable.Range(0, Keys / 2).Select(i => thread[$"s{i}"])];
        thread.Run(slopes);

        Each(Keys, (i, _, column) => Assert.That(thread[$"g{i}"], Is.EqualTo(s[i] * (g[i] - stats[Keys + column])).Within(1e-5)));
        Assert.That(slopes, Does.Contain("cvt.rn.bf16x2.f32 w0").And.Not.Contain("cvt.rn.bf16x2.f32 p0"), "p is packed before");
    }

    [Test]
    public void Dropout_multiplies_kept_scores_and_gradients_by_the_factor()
    {
        const uint low = 0x9E3779B9, high = 0xBB67AE85;
        float[] stats = Random(2, 4 * Keys);
        string bits = $"0x{low:X}, 0x{high:X}, 0f40000000";
        var forward = Scores([], Forward, out float[] before);
        forward.Run(Expand("forward.64", $"peft.keep {bits};"));
        Each(Forward, (i, _, _) => Assert.That(forward[$"s{i}"], Is.EqualTo(before[i] * Factor(i))));

        var rows = Scores([], Queries, out before);
        Gradients(rows, Queries, out float[] g);
        (rows["delta0"], rows["delta1"]) = (0.3f, -0.7f);
        rows.Run(Expand("queries.64", $"peft.rowslopes.keep {bits};"));
        Each(Queries, (i, row, _) =>
            Assert.That(rows[$"s{i}"], Is.EqualTo(before[i] * ((g[i] * Factor(i)) - (row == 0 ? 0.3f : -0.7f))).Within(1e-5)));

        var columns = Scores([], Keys, out before, shared: stats);
        Gradients(columns, Keys, out g);
        columns.Run(Expand("keys.64", $"peft.columnslopes.keep 0, {bits};"));
        Each(Keys, (i, _, column) =>
        {
            Assert.That(columns[$"g{i}"], Is.EqualTo(before[i] * ((g[i] * Factor(i)) - stats[Keys + column])).Within(1e-5));
            Assert.That(columns[$"s{i}"], Is.EqualTo(before[i] * Factor(i)));
        });

        float Factor(int i) => ((i < 32 ? low : high) >> (i % 32) & 1) != 0 ? 2 : 0;
    }

    [TestCase(2f, 3f, 1f)]
    [TestCase(float.NegativeInfinity, 0f, 1f)]
    [TestCase(2f, 3f, -40f)]
    public void A_sink_adds_a_term_to_the_denominator(float max, float sum, float sink)
    {
        string ptx = Expand("forward.64", "peft.finish.sink address0, address1, 1, 1, c, sink;");
        int from = ptx.IndexOf("mul.f32 old", StringComparison.Ordinal);
        var thread = new PtxThread([], []);
        (thread["max0"], thread["sum0"], thread["c"], thread["sink"]) = (max, sum, 0.5f, sink);

        thread.Run(ptx[from..ptx.IndexOf('}', from)]);

        double top = Math.Max(max * 0.5, sink), old = Math.Pow(2, (max * 0.5) - top), total = (sum * old) + Math.Pow(2, sink - top);
        Assert.That(thread["factor0"], Is.EqualTo(old / total).Within(1e-6));
        Assert.That(thread["x"], Is.EqualTo((top + Math.Log2(total)) * Math.Log(2)).Within(1e-5));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Every_register_has_the_bit_of_its_query_and_key(bool transposed)
    {
        AttentionDropout dropout = new(0.3f, 5, 9UL << 40);
        var args = new FlashArgs<ILGPU.ArrayView<int>>
        {
            Heads = 3,
            Queries = 70,
            Keys = 131,
            Seed = dropout.Seed,
            Stream = dropout.Stream,
            DropBelow = dropout.Below,
        };
        // A thread whose first columns are the third of eight.
        int query = transposed ? 4 : 9, key = transposed ? 21 : 98;
        ulong kept = transposed ? FlashTerms.KeptInColumns(args, 1, 2, query, key, Queries)
            : FlashTerms.KeptInRows(args, 1, 2, query, key, Queries);

        Each(Queries, (i, row, column) =>
        {
            int q = transposed ? query + column : query + (8 * row), k = transposed ? key + (8 * row) : key + column;
            ulong first = AttentionDropout.RowStart((((1 * 3) + 2) * 70) + q, 131);
            bool expected = Philox.Uniform(dropout.Seed, dropout.Stream, first + (ulong)k) >= dropout.Probability;
            Assert.That((kept >> i & 1) != 0, Is.EqualTo(expected), $"query {q}, key {k}");
        });
    }

    private static void Each(int columns, Action<int, int, int> check)
    {
        for (int i = 0; i < columns / 2; i++)
        {
            check(i, i / 2 % 2, (i / 4 * 8) + (i % 2));
        }
    }

    private static PtxThread Scores(float[] global, int columns, out float[] before, float largest = 1, float[]? shared = null)
    {
        var thread = new PtxThread(global, shared ?? []);
        before = [.. Random(3, columns / 2).Select(value => value * largest)];
        for (int i = 0; i < before.Length; i++)
        {
            thread[$"s{i}"] = before[i];
        }
        return thread;
    }

    private static void Gradients(PtxThread thread, int columns, out float[] g)
    {
        g = Random(4, columns / 2);
        for (int i = 0; i < g.Length; i++)
        {
            thread[$"g{i}"] = g[i];
        }
    }

    private static float[] Random(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
    }

    // The macros alone, without the kernel's beginning.
    private static string Expand(string kernel, string macros)
    {
        string ptx = FlashPtx.Expand(".visible .entry Kernel_Run(\n\t.param .align 8 .b8 _args_7[856]\n)\n" +
            $"peft.flash.{kernel};\npeft.terms;\n// from here\n{macros}");
        return ptx[ptx.IndexOf("// from here", StringComparison.Ordinal)..].Replace("// from here", "", StringComparison.Ordinal);
    }
}

using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;
using PeftCore.Tests.Ops;

namespace PeftCore.Tests.Backends;

/// <summary>A span is limited to 2 GiB; a table of a large vocabulary is larger.</summary>
public sealed class LargeTensorTests
{
    /// <summary>The op catalog on a backend whose limit for large weights is a few numbers.</summary>
    [TestCaseSource(typeof(OpCatalog), nameof(OpCatalog.CasesOf), new object[] { Size.Odd })]
    public void Ops_on_weights_in_parts_are_ops_on_whole_ones(object entry)
    {
        var op = (OpEntry)entry;
        // A row of a convolution's patches is never in parts.
        int bytes = op.Name.Contains("convolution", StringComparison.Ordinal) ? 200 : 40;
        using var backend = new CpuBackend(2, poison: true) { MaxSpanBytes = bytes };
        var sample = op.Sample(Size.Odd);
        var truth = new Differences(sample);
        var run = new OpRun(sample.Masks().First());
        Assert.That(truth.ErrorOf(run.On(backend, sample, truth.Upstream), run), Is.LessThan(op.Tolerance));
    }

    [Test]
    public void Products_in_parts_add_to_what_is_there([Values] bool transposeA, [Values] bool transposeB,
        [Values(30, 60, 100)] int longest)
    {
        using var whole = new CpuBackend(1);
        using var parts = new CpuBackend(1) { MaxSpanBytes = longest };
        Assert.That(Product(parts), Is.EqualTo(Product(whole)).Within(1e-5f));

        float[] Product(CpuBackend backend)
        {
            using var scope = new TensorScope();
            var a = backend.From(Numbers.Random(1, 35), transposeA ? [5, 7] : [7, 5]);
            var b = backend.From(Numbers.Random(2, 30), transposeB ? [6, 5] : [5, 6]);
            var c = backend.From(Numbers.Random(3, 42), [7, 6]);
            backend.MatMul(a, transposeA, b, transposeB, c, 0.5f, accumulate: true);
            return c.ToArray<float>();
        }
    }

    [Test]
    public void Conversions_in_parts_are_the_whole_conversion()
    {
        using var backend = new CpuBackend(1) { MaxSpanBytes = 12 };
        using var scope = new TensorScope();
        float[] values = Numbers.Random(1, 17);
        var narrow = backend.NewTensor([17], DType.BF16);
        backend.Cast(backend.From(values, [17]), narrow);
        var wide = backend.NewTensor([17]);
        backend.Cast(narrow, wide);
        Assert.That(wide.ToArray<float>(), Is.EqualTo(values).Within(0.01f));
    }

    [Test]
    public void Random_numbers_do_not_depend_on_the_parts_or_on_where_a_fill_begins()
    {
        using var whole = new CpuBackend(1);
        using var parts = new CpuBackend(2) { MaxSpanBytes = 40 };
        Assert.That(Draw(parts), Is.EqualTo(Draw(whole)));

        float[] Draw(CpuBackend backend)
        {
            using var scope = new TensorScope();
            var (uniform, normal, pieces) = (backend.NewTensor([37]), backend.NewTensor([37]), backend.NewTensor([37]));
            backend.FillUniform(uniform, -1, 2, 3, 4);
            backend.FillNormal(normal, 1, 2, 3, 5);
            foreach (var (first, piece) in pieces.Chunks(8))
            {
                backend.FillNormal(piece, 1, 2, 3, 5, first);
            }
            Assert.That(pieces.ToArray<float>(), Is.EqualTo(normal.ToArray<float>()));
            var dropped = backend.NewTensor([37]);
            backend.Dropout(uniform, dropped, 0.4f, 6, 7, accumulate: false);
            return [.. uniform.ToArray<float>(), .. normal.ToArray<float>(), .. dropped.ToArray<float>()];
        }
    }

    [Test]
    public void Optimizers_in_parts_are_the_whole_step()
    {
        using var whole = new CpuBackend(1);
        using var parts = new CpuBackend(2) { MaxSpanBytes = 24 };
        Assert.That(Step(parts), Is.EqualTo(Step(whole)));

        float[] Step(CpuBackend backend)
        {
            using var scope = new TensorScope();
            Tensor New(int seed) => backend.From(Numbers.Random(seed, 19), [19]);
            var (one, many, descent, gradient) = (New(1), New(1), New(2), New(3));
            var adam = new Optimizers.AdamW(0.1f, 0.9f, 0.99f, 1e-8f, 0.01f, 1);
            var (m, v, m2, v2, buffer) = (backend.Zeros([19]), backend.Zeros([19]), backend.Zeros([19]), backend.Zeros([19]), New(4));
            backend.AdamW(adam, one, gradient, 0.5f, m, v);
            backend.AdamW([new AdamWTensors(adam, many, gradient, m2, v2)], 0.5f);
            backend.Sgd(descent, gradient, 0.5f, buffer, 0.1f, 0.9f, 0.01f, nesterov: true, firstStep: false);
            Assert.That(many.ToArray<float>(), Is.EqualTo(one.ToArray<float>()));
            var (lion, lionMoment) = (New(1), New(2));
            backend.Lion([new LionTensors(new Optimizers.Lion(0.1f, 0.9f, 0.99f, 0.01f), lion, gradient, lionMoment)], 0.5f);
            Assert.That(lion.ToArray<float>(), Is.Not.EqualTo(one.ToArray<float>()));
            return [.. lion.ToArray<float>(), .. lionMoment.ToArray<float>(), .. one.ToArray<float>(),
                .. v.ToArray<float>(), .. descent.ToArray<float>(), .. buffer.ToArray<float>()];
        }
    }

    [Test]
    public void Eight_bit_moments_in_parts_are_the_whole_step()
    {
        using var whole = new CpuBackend(1);
        using var parts = new CpuBackend(2) { MaxSpanBytes = 5000 };
        Assert.That(Step(parts), Is.EqualTo(Step(whole)));

        static float[] Step(CpuBackend backend)
        {
            using var scope = new TensorScope();
            const int Count = 2500;
            var (p, gradient) = (backend.From(Numbers.Random(1, Count), [Count]), backend.From(Numbers.Random(2, Count), [Count]));
            var (m, v) = (backend.Zeros([Count], DType.U8), backend.Zeros([Count], DType.U8));
            var scales = new BlockScales(backend.Zeros([10]), backend.Zeros([10]), backend.From(DynamicMap.Signed.Values, [256]),
                backend.From(DynamicMap.Unsigned.Values, [256]));
            for (int step = 1; step <= 2; step++)
            {
                backend.AdamW8Bit([new AdamW8BitTensors(new Optimizers.AdamW(0.1f, 0.9f, 0.99f, 1e-8f, 0.01f, step), p, gradient, m, v,
                    scales)], 0.5f);
            }
            return [.. p.ToArray<float>(), .. scales.Absmax1.ToArray<float>(), .. m.ToBytes().Select(code => (float)code)];
        }
    }

    [Test]
    public void Sums_and_checks_over_parts_see_every_part()
    {
        using var backend = new CpuBackend(2) { MaxSpanBytes = 24 };
        using var scope = new TensorScope();
        float[] values = Numbers.Random(1, 19);
        var x = backend.From(values, [19]);
        Assert.That(backend.SumOfSquares(x), Is.EqualTo(values.Sum(value => (double)value * value)).Within(1e-5));
        Assert.That(backend.AllFinite(x), Is.True);
        values[^1] = float.NaN;
        Assert.That(backend.AllFinite(backend.From(values, [19])), Is.False);
    }

    [Test]
    public void A_number_outside_a_large_table_is_refused()
    {
        using var backend = new CpuBackend(1) { MaxSpanBytes = 4 };
        using var scope = new TensorScope();
        Assert.That(() => backend.Zeros([3, 2]).Rows(backend.From([3], [1])),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("table of 3 rows"));
    }

    /// <summary>Only written pages take memory, so this does not need 2 GiB.</summary>
    [Test]
    public void A_row_beyond_two_gibibytes_is_written_and_read()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var table = backend.NewTensor([600_000, 2048], DType.BF16); // 2.3 GiB
        ushort[] row = [.. Enumerable.Range(0, 2048).Select(i => (ushort)(BitConverter.SingleToUInt32Bits(i % 16) >> 16))];
        backend.Upload(MemoryMarshal.AsBytes<ushort>(row), table.View([2048], 599_999L * 2048));
        float[] found = table.Rows(backend.From([599_999], [1])).ToArray<float>();
        Assert.That(found, Is.EqualTo(Enumerable.Range(0, 2048).Select(i => (float)(i % 16))));
    }

    [Test]
    public void A_row_beyond_two_to_the_31_elements_is_written_and_read()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var table = backend.NewTensor([1_100_000, 2048], DType.BF16); // 2.25·10⁹ elements
        var row = table.View([2048], 1_099_999L * 2048);
        backend.Cast(backend.From([.. Enumerable.Range(0, 2048).Select(i => (float)(i % 16))], [2048]), row);
        float[] found = table.Rows(backend.From([1_099_999], [1])).ToArray<float>();
        Assert.That(found, Is.EqualTo(Enumerable.Range(0, 2048).Select(i => (float)(i % 16))));
        Assert.That(() => table.ToFloats(), Throws.TypeOf<NotSupportedException>().With.Message.Contains("2252800000 elements"));
    }

    [Test]
    public void A_job_too_large_for_the_processor_says_so()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var x = backend.NewTensor([3, 1 << 30]);
        Assert.That(() => backend.InvertBlocks(x, x), Throws.TypeOf<NotSupportedException>().With.Message.EqualTo(
            "F32(3, 1073741824) on cpu is too large for one job of the processor, which reaches 2 GiB of bytes or 2,147,483,647 numbers; " +
            "use a smaller batch or shorter sequences"));
    }
}

using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

[TestFixture("llama")]
[TestFixture("gpt2")]
public sealed class KvCacheTests(string family)
{
    private const int Length = 40;

    // A key or value is rounded once, by at most 2⁻⁹ of itself; logits move by this share of the largest.
    private const double Rounded = 1e-2;

    private CpuBackend _backend;
    private TransformerModel _model;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(2, poison: true);
        _model = ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), _backend);
    }

    [TearDown]
    public void Close()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Bf16_takes_half_the_bytes_of_f32_and_the_ledger_says_so()
    {
        long numbers = 2L * _model.LayerCount * 3 * Length * _model.KeyColumns;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Bytes(DType.F32), Is.EqualTo((4 * numbers, 4 * numbers)));
            Assert.That(Bytes(null), Is.EqualTo((4 * numbers, 4 * numbers)));
            Assert.That(Bytes(DType.BF16), Is.EqualTo((2 * numbers, 2 * numbers)));
        }

        (long, long) Bytes(DType? dtype)
        {
            long before = _backend.Memory.Current(MemoryKind.Cache);
            using var cache = new KvCache(_backend, _model.LayerCount, Length, _model.KeyColumns, 3, dtype);
            return (cache.Bytes, _backend.Memory.Current(MemoryKind.Cache) - before);
        }
    }

    [Test]
    public void Logits_over_a_bf16_cache_are_those_of_an_f32_cache_within_its_rounding()
    {
        int[] ids = Ids(0);
        using CachedDecoder wide = new(_model, _backend, Length), narrow = new(_model, _backend, Length, DType.BF16);
        double worst = 0;
        for (int at = 0, count = 7; at < Length; at += count, count = 1)
        {
            float[] expected = wide.Read(ids.AsSpan(at, count)), found = narrow.Read(ids.AsSpan(at, count));
            worst = Math.Max(worst, Fixtures.Error(found, expected));
        }
        Assert.That(worst, Is.GreaterThan(0).And.LessThan(Rounded));
    }

    [Test]
    public void Several_sequences_have_the_logits_they_have_alone([Values] bool narrow, [Values] bool prefixed)
    {
        var peft = new PeftModel(_model);
        if (prefixed)
        {
            peft.Load(TestFiles.Fixture("hf", family, "prefix"));
        }
        DType? dtype = narrow ? DType.BF16 : null;
        using CachedDecoder both = new(_model, _backend, Length, dtype, batch: 2), first = new(_model, _backend, Length, dtype),
            second = new(_model, _backend, Length, dtype);
        int[] a = Ids(0), b = Ids(5);
        for (int at = 0, count = 9; at < 14; at += count, count = 1)
        {
            float[] together = both.Read([.. a.AsSpan(at, count), .. b.AsSpan(at, count)]);
            float[] apart = [.. first.Read(a.AsSpan(at, count)), .. second.Read(b.AsSpan(at, count))];
            Assert.That(Fixtures.Error(together, apart), Is.LessThan(narrow ? Rounded : 1e-5), $"at {at}");
        }
        peft.Unload();
    }

    [Test]
    public void A_step_allocates_no_more_late_than_early()
    {
        using var decoder = new CachedDecoder(_model, _backend, 60, DType.BF16);
        float[] logits = new float[_model.VocabularySize];
        decoder.Read(Ids(0).AsSpan(0, 3), logits);
        long[] garbage = [.. Enumerable.Range(0, 50).Select(i => Step([i]))];
        // The middle one: growth would lift them all.
        Assert.That(garbage[40..].Order().ElementAt(5), Is.LessThanOrEqualTo(garbage[5..15].Max()));
        Assert.That(_backend.Memory.PeakBytes, Is.Positive);

        long Step(int[] ids)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            decoder.Read(ids, logits);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Test]
    public void Other_dtypes_are_refused()
    {
        var generator = new Generator(_model, _backend);
        Assert.That(() => generator.Generate([5], new GenerationOptions { KvCacheDType = DType.F16 }),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo("kv_cache_dtype is F16, expected F32 or BF16"));
    }

    private static int[] Ids(int shift) => [.. Enumerable.Range(shift, Length).Select(i => 3 + i * 17 % 90)];
}

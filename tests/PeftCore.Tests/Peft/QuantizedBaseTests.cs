using PeftCore.Kernels;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Tests.Peft;

/// <summary>Every method with all settings on a base of NF4 and of INT8: what works beside quantised weights, what is refused.</summary>
[TestFixtureSource(nameof(Cases))]
public sealed class QuantizedBaseTests(MethodCase method, Family family, string codes)
{
    /// <summary>The settings that train or factor the weight itself.</summary>
    private static readonly string[] Refused = ["everything", "last layer", "last layers and head", "ln tuning of other layers", "loftq",
        "miss, bat", "saved block"];

    private static readonly QuantizedFormat NF4 = new(QuantizedKind.NF4, DoubleQuantized: true),
        Int8 = new(QuantizedKind.Int8, BlockSize: 0, Threshold: 6);

    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    private bool IsInt8 => codes == nameof(Int8);

    private bool IsRefused => Refused.Contains(method.Name) && !(method.Name == "miss, bat" && family == Family.Gpt2);

    public static IEnumerable<TestFixtureData> Cases =>
        from data in MethodCases.OnAllFamilies
        let family = (Family)data.Arguments[1]!
        where Family.All.Contains(family)
        from codes in new[] { nameof(NF4), nameof(Int8) }
        select new TestFixtureData(data.Arguments[0], family, codes);

    [SetUp]
    public void Load() => _bench = NewBench();

    [TearDown]
    public void Free() => _bench.Dispose();

    [Test]
    public void It_is_refused_in_one_sentence_or_starts_and_ends_as_the_base()
    {
        float[] before = _bench.Logits();
        long bytes = _bench.Backend.Memory.CurrentBytes;
        if (IsRefused)
        {
            Assert.That(() => Model.AddAdapter(method.Config(family)),
                Throws.TypeOf<BadInputException>().With.Message.Contains("is quantised (").And.Message.Not.Contains(". "));
            Assert.That(_bench.Backend.Memory.CurrentBytes, Is.EqualTo(bytes));
            return;
        }
        Model.AddAdapter(method.Config(family), seed: 3);
        // A rotation that is the identity but for rounding changes some codes of x.
        var close = IsInt8 ? Is.LessThan(2e-2) : Is.LessThan(1e-5);
        Assert.That(Fixtures.Error(_bench.Logits(), before), method.StartsAsBase ? close : Is.GreaterThan(1e-4));
        _bench.Perturb();
        Assert.That(Fixtures.Error(_bench.Logits(), before), Is.GreaterThan(1e-4), "the adapter does nothing");
        Assert.That(Model.WithoutAdapters(_bench.Logits), Is.EqualTo(before));
    }

    [Test]
    public void Only_the_adapter_learns_and_what_it_learnt_is_saved()
    {
        if (IsRefused)
        {
            return;
        }
        var before = _bench.BaseBytes();
        Model.AddAdapter(method.Config(family));
        var start = _bench.AdapterBytes();
        using (var optimizer = new AdamW(Model.Parameters))
        {
            for (int step = 0; step < 3; step++)
            {
                _bench.Step();
                optimizer.Step(1e-2);
                optimizer.FreeGradients();
            }
        }
        var end = _bench.AdapterBytes();
        Assert.That(start.Keys.Where(name => start[name].AsSpan().SequenceEqual(end[name])), Is.Empty, "did not learn");
        float[] trained = _bench.Logits();
        using var directory = new TemporaryDirectory();
        Model.Save(directory.FullPath);
        Model.Unload();
        Bench.AssertSame(_bench.BaseBytes(), before);
        using var other = NewBench();
        other.Model.Load(directory.FullPath);
        Assert.That(Fixtures.Error(other.Logits(), trained), Is.LessThan(IsInt8 ? 2e-2 : 1e-5));
    }

    [Test]
    public void Merged_it_is_quantised_again_and_unmerged_it_is_what_it_was()
    {
        if (IsRefused || !method.Merges(family))
        {
            return;
        }
        var before = _bench.BaseBytes();
        Model.AddAdapter(method.Config(family));
        _bench.Perturb();
        float[] adapted = _bench.Logits();
        Model.Merge();
        Assert.That(_bench.Base.NamedParameters().Count(p => p.Parameter.Value.Format is not null),
            Is.EqualTo(before.Keys.Count(IsQuantized)));
        Assert.That(Fixtures.Error(_bench.Logits(), adapted), Is.LessThan(IsInt8 ? 0.1 : 0.9));
        Model.Unmerge();
        Assert.That(_bench.Logits(), Is.EqualTo(adapted));
        var sentences = new List<string>();
        Model.MergeAndUnload(warnings: sentences);
        var after = _bench.BaseBytes();
        bool changed = before.Keys.Any(name => IsQuantized(name) && !before[name].AsSpan().SequenceEqual(after[name]));
        Assert.That(sentences, changed ? Has.Exactly(1).Contains(" again, with a relative error of ") : Has.Count.LessThan(2));

        bool IsQuantized(string name) => _bench.Base.NamedParameters().Single(p => p.Path == name).Parameter.Value.Format is not null;
    }

    private Bench NewBench() => new(family, format: IsInt8 ? Int8 : NF4);
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Optim;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

/// <summary>Properties of every method with all settings: training and switching.</summary>
[TestFixtureSource(typeof(MethodCases), nameof(MethodCases.OnAllFamilies))]
public sealed class PeftPropertyTests(MethodCase method, Family family)
{
    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    [SetUp]
    public void Load() => _bench = new Bench(family);

    [TearDown]
    public void Free() => _bench.Dispose();

    [Test]
    public void A_fresh_adapter_computes_what_the_base_computes()
    {
        float[] before = _bench.Logits();
        Model.AddAdapter(method.Config(family), seed: 3);
        Assert.That(Fixtures.Error(_bench.Logits(), before), method.StartsAsBase ? Is.LessThan(1e-5) : Is.GreaterThan(1e-4));
    }

    [Test]
    public void Only_the_adapter_learns_and_all_of_it()
    {
        var before = _bench.BaseBytes();
        Model.AddAdapter(method.Config(family));
        var start = _bench.AdapterBytes();
        using (var optimizer = new AdamW(Model.Parameters))
        {
            for (int step = 0; step < 3; step++)
            {
                _bench.Step();
                var trained = Model.Parameters.Select(p => p.Parameter).ToHashSet();
                Assert.That(_bench.Base.NamedParameters().Where(p => !trained.Contains(p.Parameter) && p.Parameter.Gradient is not null),
                    Is.Empty);
                optimizer.Step(1e-2);
                optimizer.FreeGradients();
            }
        }
        var end = _bench.AdapterBytes();
        Assert.That(start.Keys.Where(name => start[name].AsSpan().SequenceEqual(end[name])), Is.Empty, "did not learn");
        Model.Unload();
        Bench.AssertSame(_bench.BaseBytes(), before);
    }

    [Test]
    public void Disabled_it_is_the_base_and_enabled_it_is_what_it_was_merged_or_not()
    {
        float[] plain = _bench.Logits();
        Model.AddAdapter(method.Config(family));
        _bench.Perturb();
        foreach (bool merged in method.Merges(family) ? new[] { false, true } : [false])
        {
            if (merged)
            {
                Model.Merge();
            }
            float[] adapted = _bench.Logits();
            Assert.That(Fixtures.Error(adapted, plain), Is.GreaterThan(1e-4), "the adapter does nothing");
            Assert.That(Model.WithoutAdapters(_bench.Logits), Is.EqualTo(plain));
            Assert.That(_bench.Logits(), Is.EqualTo(adapted));
        }
    }

    [Test]
    public void Checkpointing_and_dropout_give_the_same_gradients_again()
    {
        Model.AddAdapter(method.Config(family));
        _bench.Perturb();
        _bench.Base.Mode.Training = true;
        _bench.Base.Mode.Step = 7;
        float loss = _bench.Step();
        var gradients = _bench.Gradients();
        Assert.That(gradients.Values, Has.None.Empty);
        foreach (var (_, parameter) in Model.Parameters)
        {
            parameter.Value.FreeGradient();
        }
        _bench.Base.GradientCheckpointing = true;
        Assert.That(_bench.Step(), Is.EqualTo(loss));
        double largest = gradients.Values.Max(values => values.Max(Math.Abs));
        foreach (var (name, values) in _bench.Gradients())
        {
            // Softmax ignores a number that is added to every score of a query, so a key's bias has a gradient of zero but for rounding.
            bool isZero = family.KeyBias is { } bias && name.Replace("modules_to_save.default.", "").EndsWith(bias, StringComparison.Ordinal);
            Assert.That(isZero ? values.Max(Math.Abs) / largest : Fixtures.Error(values, gradients[name], 1e-3 * largest),
                Is.LessThan(isZero ? 1e-6 : 1e-5), name);
        }
    }

    [Test]
    public void Switching_adapters_keeps_what_trains()
    {
        Model.AddAdapter(method.Config(family), "one");
        Model.Parameters[0].Parameter.RequiresGrad = false;
        bool[] trained = [.. Model.Parameters.Select(p => p.Parameter.RequiresGrad)];
        Model.AddAdapter(method.Config(family), "two");
        Assert.That(Model.Parameters.Select(p => p.Parameter.RequiresGrad), Is.All.True);
        Model.SetRequiresGrad("two", false);
        var two = Model.Parameters;
        Model.SetActive("one");
        Assert.That(Model.Parameters.Select(p => p.Parameter.RequiresGrad), Is.EqualTo(trained));
        Assert.That(two.Select(p => p.Parameter.RequiresGrad), Is.All.False);
        Model.SetActive("two");
        Assert.That(Model.Parameters.Select(p => p.Parameter.RequiresGrad), Is.All.False);
        Model.SetRequiresGrad("two", true);
        Assert.That(Model.Parameters.Select(p => p.Parameter.RequiresGrad), Is.All.True);
    }

    [Test]
    public void A_mixed_batch_equals_each_adapter_alone()
    {
        Model.AddAdapter(method.Config(family), "one", seed: 1);
        _bench.Perturb(1);
        Model.AddAdapter(method.Config(family), "two", seed: 2);
        _bench.Perturb(2);
        string[] rows = ["two", PeftModel.NoAdapter, "one"];
        // The classifiers of encoders of text are swapped in full.
        bool swaps = !method.MixesRows || family == Family.Bert || family == Family.LayoutLm || family == Family.LayoutLmV3;
        if (swaps && Model.Get("one").Swaps.Count > 0)
        {
            Assert.That(() => Model.WithRowAdapters(rows, _bench.Logits), Throws.TypeOf<BadInputException>());
            return;
        }
        float[] mixed = Model.WithRowAdapters(rows, _bench.Logits);
        for (int row = 0; row < rows.Length; row++)
        {
            float[] alone;
            if (rows[row] == PeftModel.NoAdapter)
            {
                alone = Model.WithoutAdapters(() => _bench.Logits(row));
            }
            else
            {
                Model.SetActive(rows[row]);
                alone = _bench.Logits(row);
            }
            Assert.That(Fixtures.Error(mixed.AsSpan(row * alone.Length, alone.Length), alone), Is.LessThan(1e-5), rows[row]);
        }
    }

    [Test]
    public void A_plan_without_data_counts_the_same_bytes()
    {
        Model.AddAdapter(method.Config(family));
        using var meta = new MetaBackend();
        var planned = new PeftModel(family.Plan(meta));
        long before = meta.Memory.CurrentBytes;
        planned.AddAdapter(method.Config(family));
        Assert.That(meta.Memory.CurrentBytes - before, Is.EqualTo(_bench.Backend.Memory.CurrentBytes - _bench.StartingBytes));
        planned.Unload();
        planned.Base.Dispose();
        Assert.That(meta.Memory.CurrentBytes, Is.Zero);
    }
}

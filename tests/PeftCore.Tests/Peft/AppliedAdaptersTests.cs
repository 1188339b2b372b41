using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

/// <summary>A hook looks up its adapters once after each change of the active set, and misses no change.</summary>
public sealed class AppliedAdaptersTests
{
    private static readonly string[] NoNames = [];
    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    [SetUp]
    public void Load()
    {
        _bench = new Bench(Family.Llama);
        Model.AddAdapter(new LoraConfig { Rank = 2 }, "one", seed: 1);
        _bench.Perturb(1);
        Model.AddAdapter(new LoraConfig { Rank = 3, TargetModules = ModuleSelector.Of("q_proj") }, "two", seed: 2);
        _bench.Perturb(2);
    }

    [TearDown]
    public void Free() => _bench.Dispose();

    [Test]
    public void A_hook_keeps_its_look_up_until_the_active_set_changes()
    {
        var parts = new AdapterParts<Adapter>(Model.Set);
        parts.Add(Model.Get("one"), Model.Get("one"));
        Model.SetActive("one", "two");
        var first = parts.Applied;
        _bench.Logits();
        Assert.That(parts.Applied, Is.SameAs(first));
        Model.SetActive("two");
        Assert.That(parts.Applied, Is.Empty);
        Model.SetActive("two", "one");
        Assert.That(parts.Applied, Is.EqualTo(new[] { Model.Get("one") }));
        parts.Remove(Model.Get("one"));
        Assert.That(parts.Applied, Is.Empty);
    }

    [Test]
    public void Every_change_of_the_active_set_changes_the_applied_adapters()
    {
        Model.SetActive("two", "one");
        Assert.That(Names(), Is.EqualTo(new[] { "two", "one" }));
        Model.Disable();
        Assert.That(Names(), Is.EqualTo(NoNames));
        Model.Enable();
        Model.Merge();
        Assert.That(Names(), Is.EqualTo(NoNames));
        Model.Unmerge();
        Assert.That(Names(), Is.EqualTo(new[] { "two", "one" }));
        Assert.That(Model.WithoutAdapters(Names), Is.EqualTo(NoNames));
        Assert.That(Model.WithRowAdapters(["one", "two", PeftModel.NoAdapter], Names), Is.EqualTo(NoNames));
        Model.Delete("two");
        Assert.That(Names(), Is.EqualTo(new[] { "one" }));
    }

    [Test]
    public void Outputs_after_each_change_are_those_of_a_model_that_had_no_other_state()
    {
        float[] plain = Model.WithoutAdapters(_bench.Logits);
        Model.SetActive("one");
        float[] one = _bench.Logits();
        Model.SetActive("two");
        float[] two = _bench.Logits();
        Model.SetActive("one", "two");
        float[] both = _bench.Logits();
        Assert.That(both, Is.Not.EqualTo(one).And.Not.EqualTo(two));
        Model.Disable();
        Assert.That(_bench.Logits(), Is.EqualTo(plain));
        Model.Enable();
        Assert.That(_bench.Logits(), Is.EqualTo(both));
        Model.Merge();
        Model.Unmerge();
        Assert.That(_bench.Logits(), Is.EqualTo(both));
        Model.Delete("one");
        Assert.That(_bench.Logits(), Is.EqualTo(two));
        Model.Unload();
        Assert.That(_bench.Logits(), Is.EqualTo(plain));
    }

    private string[] Names() => Array.ConvertAll(Model.Set.Applied, adapter => adapter.Name);
}

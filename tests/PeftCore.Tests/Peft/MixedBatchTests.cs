using PeftCore.Autograd;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

public sealed class MixedBatchTests
{
    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    [SetUp]
    public void Load()
    {
        _bench = new Bench(Family.Llama);
        Model.AddAdapter(new LoraConfig { Rank = 2 }, "one", seed: 1);
        _bench.Perturb(1);
        Model.AddAdapter(new LoraConfig { Rank = 3, UseDora = true, TargetModules = ModuleSelector.Of("down_proj", "lm_head") }, "two",
            seed: 2);
        _bench.Perturb(2);
    }

    [TearDown]
    public void Free() => _bench.Dispose();

    [Test]
    public void What_a_mixed_batch_cannot_do_is_refused_and_changes_nothing()
    {
        float[] before = _bench.Logits();
        Refused("there is no adapter \"three\"", () => Model.WithRowAdapters(["one", "three", "two"], _bench.Logits));
        Refused("has 2 adapter names, but 3 rows came to", () => Model.WithRowAdapters(["one", "two"], _bench.Logits));
        Refused("rows came to \"lm_head\"", () => Model.WithRowAdapters(["one", "two", "two"], () => _bench.Step(masked: 10)));
        _bench.Base.GradientCheckpointing = true;
        Refused("cannot train with gradient checkpointing", () =>
        {
            using var tape = new Tape();
            return Model.WithRowAdapters(["one", "two", "two"], _bench.Logits);
        });
        Model.Merge();
        Refused("unmerge the adapters first", () => Model.WithRowAdapters(["one", "two", "two"], _bench.Logits));
        Model.Unmerge();
        Assert.That(_bench.Logits(), Is.EqualTo(before));
    }

    [Test]
    public void A_mixed_batch_inside_a_mixed_batch_gives_back_the_outer_one()
    {
        string[] outer = ["one", "two", "__base__"];
        float[] alone = Model.WithRowAdapters(outer, _bench.Logits);
        float[] after = Model.WithRowAdapters(outer, () =>
        {
            Model.WithRowAdapters(["two", "two", "one"], _bench.Logits);
            return _bench.Logits();
        });
        Assert.That(after, Is.EqualTo(alone));
    }

    [Test]
    public void One_step_on_a_mixed_batch_trains_each_adapter_on_its_rows()
    {
        Model.Delete("two");
        Model.AddAdapter(new LoraConfig { Rank = 4, TargetModules = ModuleSelector.Of("v_proj", "down_proj") }, "two", seed: 2);
        _bench.Perturb(2);
        Model.SetActive("one", "two"); // Both train.
        Model.WithRowAdapters(["two", "__base__", "one"], () => _bench.Step());
        var mixed = _bench.Gradients();
        Assert.That(mixed.Values, Has.None.Empty);
        foreach (var (_, parameter) in Model.Parameters)
        {
            parameter.Value.FreeGradient();
        }
        // Rows with another adapter, or none, contribute no gradients to this adapter.
        foreach (var (name, row) in new[] { ("one", 2), ("two", 0) })
        {
            string[] rows = ["__base__", "__base__", "__base__"];
            rows[row] = name;
            Model.WithRowAdapters(rows, () => _bench.Step());
        }
        var apart = _bench.Gradients();
        foreach (var (name, gradient) in mixed)
        {
            Assert.That(Fixtures.Error(gradient, apart[name]), Is.LessThan(1e-5), name);
        }
    }

    private static void Refused(string sentence, Func<object> act) =>
        Assert.That(() => act(), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
}

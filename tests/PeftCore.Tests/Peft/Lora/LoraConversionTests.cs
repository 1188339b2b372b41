using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Oft;
using PeftCore.Peft.Vera;

namespace PeftCore.Tests.Peft;

public sealed class LoraConversionTests
{
    private static IEnumerable<TestCaseData> Updates =>
        from method in MethodCases.All
        from family in Family.All
        where method.Fits(family) && method.Merges(family) && method.Config(family) is TargetedConfig
        {
            ModulesToSave: null,
            Bias: BiasMode.None
        } and not LoraConfig
        select new TestCaseData(method, family);

    [TestCaseSource(nameof(Updates))]
    public void At_full_rank_a_lora_computes_what_the_adapter_does(MethodCase method, Family family)
    {
        using var bench = new Bench(family);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(method.Config(family));
        bench.Perturb();
        float[] adapted = bench.Logits();
        IReadOnlyList<(string Path, double Error)> layers;
        try
        {
            layers = bench.Model.SaveAsLora(directory.FullPath, rank: 32);
        }
        catch (BadInputException refused)
        {
            Assert.That(refused.Message, Does.Contain("LoRA"));
            return;
        }
        Assert.That(layers.Select(layer => layer.Error), Is.All.LessThan(1e-4));
        bench.Model.Load(directory.FullPath, "lora");
        Assert.That(Fixtures.Error(bench.Logits(), adapted), Is.LessThan(1e-4));
    }

    [Test]
    public void The_error_is_what_is_cut_off()
    {
        using var bench = new Bench(Family.Llama);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(new OftConfig { BlockSize = 8, TargetModules = ModuleSelector.Of("q_proj") });
        bench.Perturb(deviation: 0.3f);
        var errors = Enumerable.Range(1, 5).Select(rank => bench.Model.SaveAsLora(directory[$"{rank}"], 4 * rank)[0].Error).ToList();
        Assert.That(errors, Is.Ordered.Descending);
        Assert.That(errors[0], Is.InRange(0.3, 0.95));
    }

    [Test]
    public void An_update_that_is_no_matrix_is_refused()
    {
        using var bench = new Bench(Family.Llama);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(new PeftCore.Peft.Prompts.PrefixTuningConfig { NumVirtualTokens = 3 });
        Assert.That(() => bench.Model.SaveAsLora(directory.FullPath, 4),
            Throws.TypeOf<BadInputException>().With.Message.Contains("cannot become a LoRA"));
    }

    [Test]
    public void Adapters_of_several_methods_become_one_lora()
    {
        using var bench = new Bench(Family.Llama);
        var targets = ModuleSelector.Of("q_proj", "v_proj");
        bench.Model.AddAdapter(new VeraConfig { Rank = 6, TargetModules = targets }, "vera", seed: 1);
        bench.Perturb(1);
        bench.Model.AddAdapter(new LoraConfig { Rank = 3, TargetModules = targets }, "lora", seed: 2);
        bench.Perturb(2);
        bench.Model.SetActive("vera", "lora");
        float[] together = bench.Logits();
        bench.Model.AddWeightedAdapter(["vera", "lora"], [1, 1], "sum", CombinationType.Svd, svdRank: 16);
        bench.Model.SetActive("sum");
        Assert.That(Fixtures.Error(bench.Logits(), together), Is.LessThan(1e-5));
        Assert.That(() => bench.Model.AddWeightedAdapter(["vera", "lora"], [1, 1], "other", CombinationType.Svd),
            Throws.TypeOf<BadInputException>().With.Message.Contains("rank"));
        Assert.That(() => bench.Model.AddWeightedAdapter(["vera", "lora"], [1, 1], "other", CombinationType.Linear),
            Throws.TypeOf<BadInputException>().With.Message.Contains("factors"));
    }
}

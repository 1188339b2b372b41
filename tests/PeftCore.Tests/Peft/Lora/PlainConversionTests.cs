using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

public sealed class PlainConversionTests
{
    private static IEnumerable<TestCaseData> Cases =>
        from family in Family.All
        from init in new[] { LoraInit.Pissa, LoraInit.Olora }
        from variant in new LoraConfig[]
        {
            new() { Rank = 4, Alpha = 6 },
            new() { Rank = 4, Alpha = 6, UseRsLora = true, RankPattern = [new(family.MlpOutput, 3)],
                AlphaPattern = [new(family.Attention, 5)] },
            new() { Rank = 4, UseDora = true },
            new() { Rank = 4, ModulesToSave = [family.LastNorm] },
            new() { Rank = 20, Alpha = 6 },
        }
        select new TestCaseData(family, variant with
        {
            Init = init,
            TargetModules = ModuleSelector.Of(family.Embedding, family.Attention,
            family.MlpOutput)
        });

    [TestCaseSource(nameof(Cases))]
    public void The_converted_adapter_computes_the_same_on_the_plain_base(Family family, LoraConfig config)
    {
        using var bench = new Bench(family);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(config);
        bench.Perturb();
        float[] adapted = bench.Logits();
        bench.Model.SaveConverted(directory.FullPath);
        bench.Model.Unload();
        bench.Model.Load(directory.FullPath, "plain");
        Assert.That(Fixtures.Error(bench.Logits(), adapted), Is.LessThan(1e-5));
        var plain = (LoraConfig)bench.Model.ConfigOf("plain");
        Assert.That(plain.Init, Is.EqualTo(LoraInit.Default));
        Assert.That(plain.Rank, Is.EqualTo(2 * config.Rank));
        var a = bench.Model.Parameters.First(p => p.Name.Contains(family.Attention, StringComparison.Ordinal)
            && p.Name.Contains("lora_A", StringComparison.Ordinal));
        Assert.That(a.Parameter.Shape[0], Is.EqualTo(2 * config.Rank));
    }

    [TestCaseSource(nameof(Cases))]
    public void The_files_before_and_after_training_give_the_same_on_the_plain_base(Family family, LoraConfig config)
    {
        using var bench = new Bench(family);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(config);
        bench.Model.Save(directory["initial"]);
        bench.Perturb();
        float[] adapted = bench.Logits();
        bench.Model.Save(directory["trained"]);
        bench.Model.Unload();
        SavedAdapter.LoadConverted(directory["trained"], directory["initial"]).Save(directory["plain"]);
        bench.Model.Load(directory["plain"]);
        Assert.That(Fixtures.Error(bench.Logits(), adapted), Is.LessThan(1e-5));
        Assert.That(() => SavedAdapter.LoadConverted(directory["plain"], directory["initial"]),
            Throws.TypeOf<BadInputException>().With.Message.Contains("nothing to take out"));
    }

    [Test]
    public void An_adapter_that_needs_no_conversion_is_saved_as_it_is()
    {
        using var bench = new Bench(Family.Llama);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(new LoraConfig { Rank = 4 }, "lora");
        bench.Perturb();
        bench.Model.Save(directory["saved"]);
        bench.Model.SaveConverted(directory["converted"], "lora");
        Assert.That(File.ReadAllBytes(directory["converted", "lora", "adapter_model.safetensors"]),
            Is.EqualTo(File.ReadAllBytes(directory["saved", "lora", "adapter_model.safetensors"])));
    }
}

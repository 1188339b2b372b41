using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

public sealed class AdapterNameTests
{
    private readonly LoraConfig _config = new()
    {
        Rank = 2, ModulesToSave = ["lm_head"], UseDora = true,
        TargetModules = ModuleSelector.Of("q_proj")
    };

    [TestCase("default")]
    [TestCase("a.b")]
    [TestCase("lora_A")]
    [TestCase("weight")]
    [TestCase("modules_to_save")]
    [TestCase("base_layer")]
    [TestCase("q_proj")]
    [TestCase("0")]
    [TestCase("{0}")]
    [TestCase("größe 😀")]
    public void The_name_of_an_adapter_changes_nothing(string name)
    {
        using var bench = new Bench(Family.Llama);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(_config, "reference");
        bench.Perturb();
        float[] adapted = bench.Logits();
        var names = bench.Model.Parameters.Select(p => p.Name.Replace("reference", name, StringComparison.Ordinal));
        bench.Model.Save(directory.FullPath);
        bench.Model.Load(directory["reference"], name);
        Assert.That(bench.Logits(), Is.EqualTo(adapted));
        Assert.That(bench.Model.Parameters.Select(p => p.Name), Is.EquivalentTo(names));
        bench.Model.Save(directory.FullPath, name);
        string saved = name == PeftModel.DefaultAdapter ? directory.FullPath : directory[name];
        Assert.That(File.ReadAllBytes(Path.Combine(saved, "adapter_model.safetensors")),
            Is.EqualTo(File.ReadAllBytes(directory["reference", "adapter_model.safetensors"])));
        bench.Model.Load(saved, "third");
        Assert.That(bench.Logits(), Is.EqualTo(adapted));
    }

    [TestCase("")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase("../elsewhere")]
    [TestCase("a/b")]
    [TestCase("a\\b")]
    [TestCase("C:")]
    [TestCase("what?")]
    [TestCase("line\nend")]
    [TestCase(" padded")]
    [TestCase("dot.")]
    [TestCase("__base__")]
    [TestCase("adapter_config.json")]
    [TestCase("taken")]
    public void A_name_that_cannot_be_a_directory_or_has_another_meaning_is_refused(string name)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(_config, "taken");
        Assert.That(() => bench.Model.AddAdapter(_config, name), Throws.TypeOf<BadInputException>().With.Message
            .StartsWith($"an adapter cannot be called \"{name.Replace('\n', ' ')}\": "));
        Assert.That(bench.Model.ActiveAdapters, Is.EqualTo(new[] { "taken" }));
    }
}

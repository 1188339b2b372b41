using System.Text.Json.Nodes;
using PeftCore.Io;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

/// <summary>Files written here against those Hugging Face PEFT wrote for the same configuration.</summary>
public sealed class SavedFileTests
{
    /// <summary>Lists whose order is a set's, and so differs from run to run in the reference.</summary>
    private static readonly string[] Sets = ["target_modules", "exclude_modules", "modules_to_save", "feedforward_modules"];

    private static IEnumerable<TestCaseData> Adapters =>
        from family in Family.All
        from directory in Directory.EnumerateDirectories(TestFiles.Fixture("hf", family.Name), "lora*").Order(StringComparer.Ordinal)
        select new TestCaseData(family, Path.GetFileName(directory));

    [TestCaseSource(nameof(Adapters))]
    public void A_fresh_adapter_saves_the_keys_shapes_and_fields_of_the_reference(Family family, string name)
    {
        string reference = TestFiles.Fixture("hf", family.Name, name);
        using var bench = new Bench(family);
        using var ours = new TemporaryDirectory();
        bench.Model.AddAdapter(PeftConfig.Load(Path.Combine(reference, PeftConfig.FileName)));
        bench.Model.Save(ours.FullPath);
        Assert.That(Keys(ours.FullPath), Is.EquivalentTo(Keys(reference)));
        Assert.That(Fields(ours.FullPath), Is.EquivalentTo(Fields(reference)));
    }

    [TestCaseSource(nameof(Adapters))]
    public void A_loaded_adapter_saves_the_bytes_of_the_reference(Family family, string name)
    {
        string reference = TestFiles.Fixture("hf", family.Name, name);
        using var bench = new Bench(family);
        using var ours = new TemporaryDirectory();
        bench.Model.Load(reference);
        bench.Model.Save(ours.FullPath);
        Assert.That(File.ReadAllBytes(ours["adapter_model.safetensors"]).AsSpan()
            .SequenceEqual(File.ReadAllBytes(Path.Combine(reference, "adapter_model.safetensors"))));
        Assert.That(Fields(ours.FullPath), Is.EquivalentTo(Fields(reference)));
    }

    [Test]
    public void All_linear_is_saved_as_the_layers_it_found()
    {
        using var bench = new Bench(Family.Gpt2);
        using var ours = new TemporaryDirectory();
        bench.Model.AddAdapter(new LoraConfig
        {
            Rank = 4, BaseModelNameOrPath = "../base",
            TargetModules = ModuleSelector.Matching("all-linear")
        });
        bench.Model.Save(ours.FullPath);
        Assert.That(Fields(ours.FullPath), Is.EquivalentTo(Fields(TestFiles.Fixture("hf", "gpt2", "lora_all_linear"))));
    }

    private static IEnumerable<string> Keys(string directory)
    {
        using var file = SafetensorsFile.Open(Path.Combine(directory, "adapter_model.safetensors"));
        return [.. file.Entries.Values.Select(entry => $"{entry.Name} {entry.DType} [{string.Join(", ", entry.Shape)}]")];
    }

    private static List<string> Fields(string directory)
    {
        using var document = JsonFile.Read(Path.Combine(directory, PeftConfig.FileName));
        return [.. document.RootElement.EnumerateObject()
            .Select(field => $"{field.Name} = {Canonical(field.Name, JsonNode.Parse(field.Value.GetRawText()))}")];
    }

    private static string Canonical(string name, JsonNode? value) => value is JsonArray list && Sets.Contains(name)
        ? string.Join(",", list.Select(item => item!.ToJsonString()).Order(StringComparer.Ordinal))
        : value?.ToJsonString() ?? "null";
}

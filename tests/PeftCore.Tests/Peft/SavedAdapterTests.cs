using PeftCore.Io;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

public sealed class SavedAdapterTests
{
    private static IEnumerable<string> Adapters =>
        Directory.GetFiles(TestFiles.Fixture("hf"), PeftConfig.FileName, SearchOption.AllDirectories)
        .Select(path => Path.GetDirectoryName(path)!);

    [TestCaseSource(nameof(Adapters))]
    public void Without_its_base_an_adapter_is_saved_again_to_the_byte(string directory)
    {
        using var copy = new TemporaryDirectory();
        var adapter = SavedAdapter.Load(directory);
        adapter.Save(copy.FullPath);
        using var original = WeightSource.OpenFile(SavedAdapter.WeightFileOf(directory)!);
        using var saved = WeightSource.OpenFile(copy["adapter_model.safetensors"]);
        // With bias "all" PEFT stores the biases of a module saved whole twice, and those of the base's own copy.
        string[] names = [.. original.Names.Where(name => !name.Contains(".modules_to_save.", StringComparison.Ordinal)
            && !name.Contains(".original_module.", StringComparison.Ordinal))];
        Assert.That(saved.Names, Is.EquivalentTo(names));
        foreach (string name in names)
        {
            Assert.That(saved.Get(name).DType, Is.EqualTo(original.Get(name).DType));
            Assert.That(saved.Get(name).Bytes.SequenceEqual(original.Get(name).Bytes), name);
        }
        Assert.That(adapter.Modules.All(module => module.Length > 0 && !module.Contains("lora", StringComparison.Ordinal)));
    }

    [Test]
    public void Weights_that_a_converter_left_under_another_ending_are_found()
    {
        using var directory = new TemporaryDirectory();
        string original = TestFiles.Fixture("hf", "llama", "lora");
        File.Copy(Path.Combine(original, "adapter_config.json"), directory["adapter_config.json"]);
        Assert.That(() => SavedAdapter.Load(directory.FullPath), Throws.TypeOf<BadInputException>().With.Message.Contains("is missing"));
        File.Copy(Path.Combine(original, "adapter_model.safetensors"), directory["adapter_model.converted.safetensors"]);
        Assert.That(SavedAdapter.Load(directory.FullPath).Modules, Has.Count.EqualTo(4));
    }
}

using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models;

public sealed class ModelWriterTests
{
    private readonly CpuBackend _backend = new(1);
    private TemporaryDirectory _directory = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Start() => (_directory, _scope) = (new TemporaryDirectory(), new TensorScope());

    [TearDown]
    public void Free()
    {
        _scope.Dispose();
        _directory.Dispose();
    }

    [OneTimeTearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void A_model_keeps_the_files_of_its_source_that_transformers_loads_and_none_of_an_older_model()
    {
        string[] kept = ["generation_config.json", "preprocessor_config.json", "processor_config.json", "vocab.txt", "spiece.model",
            "added_tokens.json", "chat_template.jinja", "modules.json", "additional_chat_templates/tools.jinja", "1_Pooling/config.json"];
        foreach (string name in kept.Append("README.md").Append("notes/a.txt").Append("optimizer.pt"))
        {
            Write("source", name);
        }
        foreach (string name in new[] { "config.json", "model.safetensors" })
        {
            File.Copy(TestFiles.Fixture("hf", "llama", "base", name), _directory["source", name]);
        }
        foreach (string name in new[] { "sentencepiece.bpe.model", "additional_chat_templates/old.jinja", "2_Dense/config.json",
            "model-00001-of-00002.safetensors", "mine/model.txt", "mine.txt" })
        {
            Write("out", name);
        }

        var model = ModelLoader.Load(_directory["source"], _backend);
        long bytes = ModelWriter.Save(model, _directory["out"], _directory["source"]);

        Assert.That(Files("out"), Is.EquivalentTo(kept.Concat(["config.json", "model.safetensors", "mine/model.txt", "mine.txt"])));
        Assert.That(File.ReadAllText(_directory["out", "1_Pooling/config.json"]), Is.EqualTo("source 1_Pooling/config.json"));
        Assert.That(bytes, Is.EqualTo(new FileInfo(_directory["out", "model.safetensors"]).Length));
    }

    [Test]
    public void A_UNet_has_the_name_of_weights_that_diffusers_reads()
    {
        string source = TestFiles.Fixture("hf", "unet", "base");
        foreach (string name in new[] { "model.safetensors", "diffusion_pytorch_model-00001-of-00002.safetensors" })
        {
            Write("out", name);
        }
        var model = ModelLoader.Load(source, _backend);

        ModelWriter.Save(model, _directory["out"], source);

        Assert.That(Files("out"), Is.EquivalentTo(new[] { "config.json", "diffusion_pytorch_model.safetensors" }));
        Assert.That(ConfigReader.Open(_directory["out", "config.json"]).String("_class_name"), Is.EqualTo("UNet2DConditionModel"));
        var again = ModelLoader.Load(_directory["out"], _backend);
        Assert.That(again.NamedParameters().Select(p => (p.Path, p.Parameter.Value.ToFloats())),
            Is.EqualTo(model.NamedParameters().Select(p => (p.Path, p.Parameter.Value.ToFloats()))));
    }

    private void Write(string directory, string name)
    {
        string path = _directory[directory, name];
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, name.EndsWith("generation_config.json", StringComparison.Ordinal) ? "{}" : $"{directory} {name}");
    }

    private IEnumerable<string> Files(string directory) =>
        Directory.EnumerateFiles(_directory[directory], "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(_directory[directory], path).Replace('\\', '/'));
}

using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Ia3;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Models.Vision;

/// <summary>ViT's modules have other names in transformers 4 and 5: files and adapters of both are read.</summary>
public sealed class RenamedModulesTests : CpuTests
{
    [TestCase("vit.layers.3.attention.q_proj.weight", "vit.encoder.layer.3.attention.attention.query.weight")]
    [TestCase("layers.0.attention.o_proj", "encoder.layer.0.attention.output.dense")]
    [TestCase("base_model.model.vit.layers.11.mlp.fc2.lora_A.weight", "base_model.model.vit.encoder.layer.11.output.dense.lora_A.weight")]
    [TestCase("vit.layers.0.layernorm_before.bias", "vit.encoder.layer.0.layernorm_before.bias")]
    [TestCase("vit.layernorm.weight", "vit.layernorm.weight")]
    [TestCase("classifier.weight", "classifier.weight")]
    public void A_name_has_one_other(string now, string before)
    {
        var renamed = TinyPictures.Model(Cpu, "vit").Renamed!;
        Assert.That(renamed.ToOld(now), Is.EqualTo(before));
        Assert.That(renamed.ToNew(before), Is.EqualTo(now));
    }

    [Test]
    public void Weights_are_written_with_the_names_of_version_4_and_read_with_either()
    {
        string directory = TinyPictures.Directory("vit");
        var reference = Load(directory);
        using var other = new TemporaryDirectory();
        File.Copy(Path.Combine(directory, "config.json"), other["config.json"]);
        using (var source = WeightSource.OpenFile(Path.Combine(directory, "model.safetensors")))
        {
            Assert.That(source.Names, Has.Member("vit.encoder.layer.1.attention.attention.query.weight"));
            SafetensorsWriter.Write(other["model.safetensors"],
                source.Names.Select(name => source.Get(name).ToFile(reference.Renamed!.ToNew(name))), new Dictionary<string, string>());
        }
        var renamed = Load(other.FullPath);
        Assert.That(LogitsOf(renamed), Is.EqualTo(LogitsOf(reference)));
    }

    [Test]
    public void A_file_of_the_bare_model_becomes_a_classifier_with_a_new_head()
    {
        string directory = TinyPictures.Directory("vit");
        var reference = Load(directory);
        using var bare = new TemporaryDirectory();
        File.WriteAllText(bare["config.json"],
            File.ReadAllText(Path.Combine(directory, "config.json")).Replace("ViTForImageClassification", "ViTModel",
                StringComparison.Ordinal));
        using (var source = WeightSource.OpenFile(Path.Combine(directory, "model.safetensors")))
        {
            SafetensorsWriter.Write(bare["model.safetensors"],
                source.Names.Where(name => name.StartsWith("vit.", StringComparison.Ordinal))
                    .Select(name => source.Get(name).ToFile(name["vit.".Length..])), new Dictionary<string, string>());
        }
        var warnings = new List<string>();
        var model = ModelLoader.Load(bare.FullPath, Cpu, warnings: warnings,
            task: new TaskOptions { Task = ModelTask.ImageClassification });
        Assert.That(warnings, Has.Some.Contains("classifier.weight"));
        Assert.That(model.NewModules, Is.EqualTo(new[] { "classifier" }));
        Assert.That(model.Hidden(Inputs(model)).ToFloats(), Is.EqualTo(reference.Hidden(Inputs(reference)).ToFloats()));
    }

    [TestCase("[\"query\", \"value\"]")]
    [TestCase("\".*attention\\\\.(query|value)\"")]
    [TestCase("[\"vit.encoder.layer.0.attention.attention.query\", \"vit.encoder.layer.0.attention.attention.value\", " +
        "\"vit.encoder.layer.1.attention.attention.query\", \"vit.encoder.layer.1.attention.attention.value\"]")]
    public void An_adapter_made_with_version_4_computes_the_same_and_is_written_for_version_5(string targets)
    {
        var peft = new PeftModel(Load(TinyPictures.Directory("vit")));
        peft.AddAdapter(new LoraConfig { Rank = 2, TargetModules = ModuleSelector.Of("q_proj", "v_proj") });
        foreach (var (_, parameter) in peft.Parameters)
        {
            parameter.Value.Upload(Enumerable.Range(0, (int)parameter.Value.Count).Select(i => MathF.Sin(i) / 4).ToArray());
        }
        float[] adapted = LogitsOf(peft.Base);
        using TemporaryDirectory now = new(), before = new();
        peft.Save(now.FullPath);
        peft.Unload();
        var config = (JsonObject)JsonNode.Parse(File.ReadAllText(now["adapter_config.json"]))!;
        config["target_modules"] = JsonNode.Parse(targets);
        File.WriteAllText(before["adapter_config.json"], config.ToJsonString());
        using (var source = WeightSource.OpenFile(now["adapter_model.safetensors"]))
        {
            SafetensorsWriter.Write(before["adapter_model.safetensors"],
                source.Names.Select(name => source.Get(name).ToFile(peft.Base.Renamed!.ToOld(name))), new Dictionary<string, string>());
        }

        peft.Load(before.FullPath);

        Assert.That(LogitsOf(peft.Base), Is.EqualTo(adapted));
        using var again = new TemporaryDirectory();
        peft.Save(again.FullPath);
        Assert.That(File.ReadAllBytes(again["adapter_model.safetensors"]), Is.EqualTo(File.ReadAllBytes(now["adapter_model.safetensors"])));
        string saved = File.ReadAllText(again["adapter_config.json"]);
        Assert.That(saved, Does.Contain("q_proj").And.Contain("v_proj").And.Not.Contain("query"));
        peft.Unload();
    }

    [Test]
    public void Old_names_select_the_new_modules()
    {
        var peft = new PeftModel(TinyPictures.Model(Cpu, "vit"));
        peft.AddAdapter(new Ia3Config
        {
            TargetModules = ModuleSelector.Of("key", "value", "output.dense"),
            FeedforwardModules = ModuleSelector.Of("output.dense"),
        });
        Assert.That(peft.Parameters.Select(p => p.Name).Where(name => name.Contains("layers.0.", StringComparison.Ordinal))
            .Select(name => name.Split("layers.0.")[1].Split(".ia3")[0]),
            Is.EquivalentTo(["attention.k_proj", "attention.v_proj", "attention.o_proj", "mlp.fc2"]));
        peft.Unload();
    }

    private TransformerModel Load(string directory) => ModelLoader.Load(directory, Cpu);

    private static ModelInputs Inputs(TransformerModel model) => model.ToInputs(TinyPictures.Batch("vit", [], rows: 2));

    private static float[] LogitsOf(TransformerModel model) => model.Logits(Inputs(model)).ToFloats();
}

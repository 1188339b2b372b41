using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Models;

/// <summary>Configurations that tie the head or not, with files that hold one or two tables.</summary>
public sealed class TiedTablesTests : ModelTests
{
    private const string Head = "lm_head.weight";

    [Test]
    public void Two_different_tables_are_two_whatever_the_configuration_says([Values(1, 3)] int shards)
    {
        using var files = new EditedModel("llama");
        files.Config["tie_word_embeddings"] = true;
        var model = Load(files, shards);
        Assert.That(LossOf(model, "llama"), Is.EqualTo(ExpectedLoss("llama")).Within(1e-5));
        Assert.That(model.OutputLayer!.Weight, Is.Not.SameAs(model.TokenEmbedding.Weight));
        Assert.That(((Decoder)model).Spec.TieEmbeddings, Is.False);
        Assert.That(Warnings, Has.Exactly(1).Contains("lm_head.weight").And.Contains("tie_word_embeddings"));
    }

    [Test]
    public void Two_equal_tables_are_one([Values("qwen2", "gpt2")] string family)
    {
        using var files = new EditedModel(family);
        string embedding = family == "gpt2" ? "transformer.wte.weight" : "model.embed_tokens.weight";
        files.Put(Head, "F32", [97, 32], files.BytesOf(embedding));
        var model = Load(files);
        Assert.That(LossOf(model, family), Is.EqualTo(ExpectedLoss(family)).Within(1e-5));
        Assert.That(model.OutputLayer!.Weight, Is.SameAs(model.TokenEmbedding.Weight));
        Assert.That(Warnings, Is.Empty);
    }

    [Test]
    public void Tables_of_two_dtypes_are_one_if_their_values_are([Values] bool same)
    {
        using var files = new EditedModel("qwen2");
        var stored = files.Narrow(DType.BF16);
        byte[] bytes = stored["model.embed_tokens.weight"];
        float[] wide = [.. bytes.Chunk(2).Select(pair => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(pair) << 16))];
        wide[5] += same ? 0 : 1;
        files.Put(Head, "F32", [97, 32], Numbers.Store(wide, DType.F32.Element, out _));
        var model = Load(files);
        Assert.That(model.OutputLayer!.Weight == model.TokenEmbedding.Weight, Is.EqualTo(same));
        Assert.That(Warnings, Has.Count.EqualTo(same ? 0 : 1));
    }

    [Test]
    public void Gpt2_unties_with_and_without_the_prefix_of_its_names([Values] bool prefix)
    {
        using var files = new EditedModel("gpt2");
        byte[] head = files.BytesOf("transformer.wte.weight");
        Array.Reverse(head);
        files.Put(Head, "F32", [97, 32], [.. head.Select((b, i) => i % 4 == 3 ? (byte)0x3C : b)]);
        foreach (string name in prefix ? [] : files.Tensors.Keys.Where(name => name.StartsWith("transformer.", StringComparison.Ordinal))
            .ToArray())
        {
            files.Put(name["transformer.".Length..], "F32", files.Tensors[name].Shape, files.BytesOf(name));
            files.Tensors.Remove(name);
        }
        var model = Load(files);
        Assert.That(model.OutputLayer!.Weight, Is.Not.SameAs(model.TokenEmbedding.Weight));
        Assert.That(model.OutputLayer!.Weight.Value.ToBytes(), Is.EqualTo(files.BytesOf(Head)));
        Assert.That(Warnings, Has.Count.EqualTo(1));
    }

    [Test]
    public void A_head_of_another_shape_is_refused_with_both_shapes([Values("qwen2", "gpt2")] string family)
    {
        using var files = new EditedModel(family);
        files.Put(Head, "F32", 98, 32);
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.EqualTo(
            $"{files.WeightsPath}: tensor \"lm_head.weight\" has shape (98, 32), but the configuration makes it (97, 32)."));
    }

    [TestCase("qwen2", false)]
    [TestCase("qwen2", null)]
    [TestCase("gpt2", false)]
    public void A_head_that_is_neither_stored_nor_tied_is_missing(string family, bool? tied)
    {
        using var files = new EditedModel(family);
        files.Config["tie_word_embeddings"] = tied;
        Assert.That(() => Load(files), Throws.TypeOf<BadInputException>().With.Message.EqualTo(
            $"{files.WeightsPath}: the head's table \"lm_head.weight\" is missing, and the configuration does not tie it to the " +
            "embedding; " +
            "if the model shares one table, set tie_word_embeddings to true in config.json."));
    }

    [Test]
    public void Gpt2_ties_its_head_unless_told_otherwise()
    {
        using var files = new EditedModel("gpt2");
        files.Config.Remove("tie_word_embeddings");
        Assert.That(LossOf(Load(files), "gpt2"), Is.EqualTo(ExpectedLoss("gpt2")).Within(1e-5));
        Assert.That(Warnings, Is.Empty);
    }

    [Test]
    public void A_tied_model_may_store_the_head_alone()
    {
        using var files = new EditedModel("qwen2");
        files.Put(Head, "F32", [97, 32], files.BytesOf("model.embed_tokens.weight"));
        files.Tensors.Remove("model.embed_tokens.weight");
        Assert.That(LossOf(Load(files), "qwen2"), Is.EqualTo(ExpectedLoss("qwen2")).Within(1e-5));
    }

    [Test]
    public void A_model_that_was_untied_is_saved_so_and_loads_without_a_word()
    {
        using var files = new EditedModel("llama");
        using var saved = new TemporaryDirectory();
        files.Config["tie_word_embeddings"] = true;
        ModelWriter.Save(Load(files), saved.FullPath, files.FullPath);
        Warnings.Clear();
        var again = ModelLoader.Load(saved.FullPath, Backend, warnings: Warnings);
        Assert.That(ConfigReader.Open(saved["config.json"]).Bool("tie_word_embeddings"), Is.False);
        Assert.That(LossOf(again, "llama"), Is.EqualTo(ExpectedLoss("llama")).Within(1e-5));
        Assert.That(Warnings, Is.Empty);
    }

    [Test]
    public void An_adapter_on_an_untied_model_gives_the_references_loss()
    {
        using var files = new EditedModel("llama");
        files.Config["tie_word_embeddings"] = true;
        var model = new PeftModel(Load(files));
        Assert.That(model.ParameterCount, Is.EqualTo(23264));
        string adapter = TestFiles.Fixture("hf", "llama", "lora");
        model.Load(adapter);
        using var expected = WeightSource.OpenFile(Path.Combine(adapter, "expected.safetensors"));
        Assert.That(LossOf(model.Base, "llama"), Is.EqualTo(Fixtures.Floats(expected, "loss")[0]).Within(1e-4));
    }
}

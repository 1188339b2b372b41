using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

/// <summary>ensure_weight_tying: no effect if the base is untied or the adapter changes neither table; otherwise both change alike, or an
/// error names what is missing.</summary>
public sealed class WeightTyingTests
{
    private const string Wte = "base_model.model.transformer.wte", Head = "base_model.model.lm_head";

    [TestCase("llama", "lora")]
    [TestCase("llama", "lora_embedding")]
    [TestCase("llama", "lora_modules_to_save")]
    [TestCase("llama", "lora_trainable_tokens")]
    [TestCase("llama", "adalora")]
    [TestCase("gpt2", "lora")]
    [TestCase("gpt2", "lora_embedding")]
    [TestCase("gpt2", "lora_trainable_tokens")]
    [TestCase("gpt2", "adalora")]
    public void It_changes_nothing_where_it_has_no_effect(string family, string adapter)
    {
        using var bench = new Bench(family == "llama" ? Family.Llama : Family.Gpt2);
        bench.Model.Load(TestFiles.Fixture("hf", family, adapter));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder(family, adapter).With("ensure_weight_tying", "true");
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        using var saved = new TemporaryDirectory();
        bench.Model.Save(saved.FullPath);
        Assert.That(File.ReadAllText(saved[PeftConfig.FileName]), Does.Contain("\"ensure_weight_tying\": true"));
    }

    [TestCase("[\"wte\", \"lm_head\"]", true)]
    [TestCase("[\"transformer.wte\", \"lm_head\"]", false)]
    [TestCase("[\"lm_head\"]", false)]
    public void Tables_trained_whole_are_one_parameter(string saved, bool storesHead)
    {
        using var bench = new Bench(Family.Gpt2);
        using var folder = new AdapterFolder("gpt2", "lora").With("ensure_weight_tying", "true").With("modules_to_save", saved)
            .WithWeights(AdapterFolder.Same,
            storesHead ? [Table(bench, Wte + ".weight"), Table(bench, Head + ".weight")] : [Table(bench, Wte + ".weight")]);
        bench.Model.Load(folder.Path, trainable: true);
        Assert.That(bench.Base.OutputLayer!.Weight, Is.SameAs(bench.Base.TokenEmbedding.Weight));
        bench.Step();
        Assert.That(bench.Model.Parameters.Count(p => p.Name.Contains("modules_to_save", StringComparison.Ordinal)), Is.EqualTo(1));
        float[] active = bench.Logits();
        using var directory = new TemporaryDirectory();
        bench.Model.Save(directory.FullPath);
        bench.Model.Delete(PeftModel.DefaultAdapter);
        bench.Model.Load(directory.FullPath);
        Assert.That(bench.Logits(), Is.EqualTo(active));
        var merged = bench.Model.MergeAndUnload();
        Assert.That(merged.OutputLayer!.Weight, Is.SameAs(merged.TokenEmbedding.Weight));
        Assert.That(bench.Logits(), Is.EqualTo(active).Within(1e-4f));
    }

    [Test]
    public void Tables_that_are_not_alike_are_refused()
    {
        using var bench = new Bench(Family.Gpt2);
        using var folder = new AdapterFolder("gpt2", "lora").With("ensure_weight_tying", "true")
            .With("modules_to_save", "[\"wte\", \"lm_head\"]").WithWeights(AdapterFolder.Same,
            Table(bench, Wte + ".weight"), Table(bench, Head + ".weight", 1));
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("differs from").And.Message.Contains("ensure_weight_tying is true"));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }

    [Test]
    public void A_lora_on_both_loads_where_both_are_stored_and_is_refused_where_one_would_have_to_be_made()
    {
        using var bench = new Bench(Family.Gpt2);
        float[] a = Values(4 * 97, 3), b = Values(32 * 4, 5);
        SafetensorsTensor[] embedding = [Matrix(Wte + ".lora_embedding_A", a, 4, 97), Matrix(Wte + ".lora_embedding_B", b, 32, 4)];
        SafetensorsTensor[] head = [Matrix(Head + ".lora_A.weight", Transposed(b, 32, 4), 4, 32),
            Matrix(Head + ".lora_B.weight", Transposed(a, 4, 97), 97, 4)];
        using var both = new AdapterFolder("gpt2", "lora").With("ensure_weight_tying", "true")
            .With("target_modules", "[\"c_attn\", \"transformer.wte\"]")
            .WithWeights(AdapterFolder.Same, [.. embedding, .. head]);
        bench.Model.Load(both.Path);
        float[] tied = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var named = new AdapterFolder("gpt2", "lora").With("target_modules", "[\"c_attn\", \"wte\", \"lm_head\"]")
            .WithWeights(AdapterFolder.Same, [.. embedding, .. head]);
        bench.Model.Load(named.Path);
        Assert.That(bench.Logits(), Is.EqualTo(tied));
        bench.Model.Delete(PeftModel.DefaultAdapter);
        Assert.That(() => bench.Model.Load(both.Path, trainable: true),
            Throws.TypeOf<BadInputException>().With.Message.Contains("cannot be trained further here"));
        using var one = new AdapterFolder("gpt2", "lora").With("ensure_weight_tying", "true")
            .With("target_modules", "[\"c_attn\", \"lm_head\"]").WithWeights(AdapterFolder.Same, head);
        Assert.That(() => bench.Model.Load(one.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("would need a LoRA that shares the factors").And.Message.Contains(
            "the file has none"));
        using var unlike = new AdapterFolder("gpt2", "lora").With("ensure_weight_tying", "true")
            .With("target_modules", "[\"c_attn\", \"wte\", \"lm_head\"]")
            .WithWeights(AdapterFolder.Same, [.. embedding, head[1], Matrix(Head + ".lora_A.weight", Values(4 * 32, 9), 4, 32)]);
        Assert.That(() => bench.Model.Load(unlike.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("is not that of the embedding turned over"));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }

    [Test]
    public void A_new_lora_on_one_of_two_tied_tables_is_refused_where_it_would_have_to_share()
    {
        using var bench = new Bench(Family.Gpt2);
        using var folder = new AdapterFolder("gpt2", "lora").With("ensure_weight_tying", "true").With("target_modules", "[\"lm_head\"]");
        Assert.That(() => bench.Model.AddAdapter(PeftConfig.Load(folder.ConfigPath)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("which cannot be trained here"));
    }

    [Test]
    public void Tokens_of_head_and_embedding_are_the_same_rows_where_they_are_tied()
    {
        using var bench = new Bench(Family.Gpt2);
        bench.Model.Load(TestFiles.Fixture("hf", "gpt2", "lora_trainable_tokens"));
        float[] expected = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = new AdapterFolder("gpt2", "lora_trainable_tokens");
        var tokens = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(folder.ConfigPath))!["trainable_token_indices"]!;
        string list = (tokens as System.Text.Json.Nodes.JsonArray ?? tokens.AsObject().First().Value)!.ToJsonString();
        folder.With("trainable_token_indices", $"{{\"lm_head\": {list}, \"wte\": {list}}}").With("ensure_weight_tying", "true");
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(expected));
        bench.Model.Delete(PeftModel.DefaultAdapter);
        folder.With("trainable_token_indices", $"{{\"lm_head\": [1], \"wte\": {list}}}");
        Assert.That(() => bench.Model.Load(folder.Path), Throws.TypeOf<BadInputException>().With.Message.Contains("lm_head"));
    }

    private static SafetensorsTensor Table(Bench bench, string key, float change = 0)
    {
        float[] values = bench.Base.TokenEmbedding.Weight.Value.ToFloats();
        values[11] += 0.5f + change;
        return Matrix(key, values, 97, 32);
    }

    private static SafetensorsTensor Matrix(string key, float[] values, int rows, int columns) =>
        new(key, "F32", [rows, columns], MemoryMarshal.AsBytes<float>(values).ToArray());

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];
    }

    private static float[] Transposed(float[] values, int rows, int columns) =>
        [.. Enumerable.Range(0, values.Length).Select(i => values[i % rows * columns + i / rows])];
}

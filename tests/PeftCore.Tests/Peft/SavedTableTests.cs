using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

/// <summary>Adapters whose files hold the token embedding and the head, as after adding tokens.</summary>
public sealed class SavedTableTests
{
    private const string Llama = "base_model.model.model.embed_tokens.weight", Gpt2 = "base_model.model.transformer.wte.weight",
        Head = "base_model.model.lm_head.weight";

    [Test]
    public void Tables_that_are_the_bases_own_change_nothing([Values("llama", "gpt2")] string family)
    {
        using var bench = new Bench(family == "llama" ? Family.Llama : Family.Gpt2);
        bench.Model.Load(TestFiles.Fixture("hf", family, "lora"));
        float[] plain = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var folder = WithTables(family, bench.Base, _ => { });
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(plain));
        using var saved = new TemporaryDirectory();
        bench.Model.Save(saved.FullPath);
        using var file = SafetensorsFile.Open(saved["adapter_model.safetensors"]);
        Assert.That(file.Entries.Keys, Is.SupersetOf(new[] { family == "llama" ? Llama : Gpt2, Head }),
            "what was in the file is saved again");
    }

    [Test]
    public void Other_tables_replace_the_bases_while_the_adapter_is_active([Values("llama", "gpt2")] string family)
    {
        using var bench = new Bench(family == "llama" ? Family.Llama : Family.Gpt2);
        float[] before = bench.Logits();
        var bytes = bench.BaseBytes();
        using var folder = WithTables(family, bench.Base, values => values[0] += 1);
        using var second = WithTables(family, bench.Base, values => values[5 * 32] -= 2);
        bench.Model.Load(folder.Path);
        float[] first = bench.Logits();
        Assert.That(first, Is.Not.EqualTo(before));
        bench.Model.Load(second.Path, "second");
        Assert.That(bench.Logits(), Is.Not.EqualTo(first));
        Assert.That(bench.Model.WithoutAdapters(bench.Logits), Is.EqualTo(before));
        bench.Model.SetActive(PeftModel.DefaultAdapter);
        Assert.That(bench.Logits(), Is.EqualTo(first));
        bench.Model.Merge();
        Assert.That(bench.Logits(), Is.EqualTo(first).Within(1e-4f));
        bench.Model.Unload();
        Assert.That(bench.Logits(), Is.EqualTo(before));
        Bench.AssertSame(bench.BaseBytes(), bytes);
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }

    [Test]
    public void Tables_with_more_rows_resize_the_base_while_the_adapter_is_active([Values("llama", "gpt2")] string family)
    {
        using var bench = new Bench(family == "llama" ? Family.Llama : Family.Gpt2);
        float[] before = bench.Logits();
        using var folder = WithTables(family, bench.Base, _ => { }, more: 3);
        bench.Model.Load(folder.Path, trainable: true);
        Assert.That(bench.Base.VocabularySize, Is.EqualTo(100));
        bench.Step();
        Assert.That(bench.Model.WithoutAdapters(() => bench.Base.VocabularySize), Is.EqualTo(97));
        Assert.That(bench.Model.WithoutAdapters(bench.Logits), Is.EqualTo(before));
        float[] active = bench.Logits();
        using var saved = new TemporaryDirectory();
        bench.Model.Save(saved.FullPath);
        bench.Model.Delete(PeftModel.DefaultAdapter);
        bench.Model.Load(saved.FullPath);
        Assert.That(bench.Logits(), Is.EqualTo(active));
        using var merged = new TemporaryDirectory();
        ModelWriter.Save(bench.Model.MergeAndUnload(), merged.FullPath, bench.Family.Directory);
        var whole = ModelLoader.Load(merged.FullPath, bench.Backend);
        Assert.That(whole.VocabularySize, Is.EqualTo(100));
        Assert.That(whole.OutputLayer!.Weight == whole.TokenEmbedding.Weight, Is.EqualTo(family == "gpt2"), "tied as the base is");
        Assert.That(bench.Logits(), Is.EqualTo(active).Within(1e-4f));
        whole.Dispose();
    }

    [Test]
    public void Tables_with_fewer_rows_are_refused_with_both_numbers_and_the_way_out()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = WithTables("llama", bench.Base, _ => { }, more: -2);
        Assert.That(() => bench.Model.Load(folder.Path), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("has 95 rows, but the base has 97 tokens").And.Message.Contains("--resize-token-embeddings 95"));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
        using var smaller = new ResizedBase(rows: 95);
        Assert.That(() => smaller.Model.Load(folder.Path), Throws.Nothing);
    }

    [Test]
    public void One_larger_table_alone_is_refused_where_the_base_has_two()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = WithTables("llama", bench.Base, _ => { }, more: 3, withHead: false);
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the token embedding has 100 rows and the head 97"));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }

    [Test]
    public void One_stored_table_is_both_where_the_base_ties_them()
    {
        using var bench = new Bench(Family.Gpt2);
        using var one = WithTables("gpt2", bench.Base, values => values[7] += 1, withHead: false);
        using var two = WithTables("gpt2", bench.Base, values => values[7] += 1);
        bench.Model.Load(one.Path);
        float[] alone = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        bench.Model.Load(two.Path);
        Assert.That(bench.Logits(), Is.EqualTo(alone));
        Assert.That(bench.Base.OutputLayer!.Weight, Is.SameAs(bench.Base.TokenEmbedding.Weight));
    }

    [Test]
    public void Two_different_tables_undo_a_tie_with_a_warning()
    {
        using var bench = new Bench(Family.Gpt2);
        using var both = new AdapterFolder("gpt2", "lora").WithWeights(AdapterFolder.Same,
            Table(Gpt2, bench.Base.TokenEmbedding.Weight, values => values[7] += 1, 0),
            Table(Head, bench.Base.OutputLayer!.Weight, values => values[9] += 1, 0));
        var warnings = new List<string>();
        bench.Model.Load(both.Path, warnings: warnings);
        Assert.That(warnings, Has.One.Contains("holds two different tables"));
        Assert.That(bench.Base.OutputLayer!.Weight, Is.Not.SameAs(bench.Base.TokenEmbedding.Weight));
    }

    [TestCase("base_model.model.model.embed_tokens.base_layer.weight")]
    [TestCase("base_model.model.model.embed_tokens.weight")]
    public void A_targeted_embedding_may_have_its_table_under_either_key(string key)
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.Load(TestFiles.Fixture("hf", "llama", "lora_embedding"));
        float[] plain = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        const string Usual = "base_model.model.model.embed_tokens.base_layer.weight";
        using var folder = new AdapterFolder("llama", "lora_embedding").WithWeights((entry, bytes) => entry.Name == Usual ? null
            : AdapterFolder.Same(entry, bytes),
            Table(key, bench.Base.TokenEmbedding.Weight, _ => { }, 0));
        bench.Model.Load(folder.Path);
        Assert.That(bench.Logits(), Is.EqualTo(plain));
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var other = new AdapterFolder("llama", "lora_embedding").WithWeights((entry, bytes) => entry.Name == Usual ? null
            : AdapterFolder.Same(entry, bytes),
            Table(key, bench.Base.TokenEmbedding.Weight, values => values[5 * 32] += 1, 0));
        bench.Model.Load(other.Path);
        Assert.That(bench.Logits(), Is.Not.EqualTo(plain));
    }

    [Test]
    public void A_table_under_two_keys_that_differ_is_refused()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama",
            "lora_embedding").WithWeights((entry, bytes) => entry.Name.EndsWith("base_layer.weight", StringComparison.Ordinal) ? null
            : AdapterFolder.Same(entry, bytes),
            Table(Llama, bench.Base.TokenEmbedding.Weight, _ => { }, 0), Table("base_model.model.model.embed_tokens.base_layer.weight",
                bench.Base.TokenEmbedding.Weight, values => values[0] += 1, 0));
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("which one counts cannot be told"));
    }

    [Test]
    public void Tables_trained_whole_may_have_more_rows_than_the_base([Values("llama", "gpt2")] string family)
    {
        string embedding = family == "llama" ? "embed_tokens" : "wte";
        using var bench = new Bench(family == "llama" ? Family.Llama : Family.Gpt2);
        using var folder = WithTables(family, bench.Base, values => values[3] += 1, more: 2)
            .With("modules_to_save", $"[\"{embedding}\", \"lm_head\"]");
        bench.Model.Load(folder.Path, trainable: true);
        Assert.That(bench.Base.VocabularySize, Is.EqualTo(99));
        bench.Step();
        Assert.That(bench.Gradients().Keys, Has.Some.Contains("lm_head.modules_to_save.default.weight"));
        Assert.That(bench.Model.MergeAndUnload().VocabularySize, Is.EqualTo(99));
    }

    [Test]
    public void The_base_beside_a_module_trained_whole_is_left_out()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora").With("modules_to_save", "[\"lm_head\"]").WithWeights(AdapterFolder.Same,
            Table("base_model.model.lm_head.modules_to_save.weight", bench.Base.OutputLayer!.Weight, values => values[0] += 1, 0),
            Table("base_model.model.lm_head.original_module.weight", bench.Base.OutputLayer!.Weight, _ => { }, 0));
        bench.Model.Load(folder.Path);
        float[] ours = bench.Logits();
        bench.Model.Delete(PeftModel.DefaultAdapter);
        using var usual = new AdapterFolder("llama", "lora").With("modules_to_save", "[\"lm_head\"]").WithWeights(AdapterFolder.Same,
            Table(Head, bench.Base.OutputLayer!.Weight, values => values[0] += 1, 0));
        bench.Model.Load(usual.Path);
        Assert.That(bench.Logits(), Is.EqualTo(ours));
    }

    [Test]
    public void A_resized_base_gets_the_mean_of_its_rows_and_its_adapters_save_both_tables([Values("llama", "gpt2")] string family)
    {
        using var bench = new ResizedBase(rows: 99, family);
        float[] table = bench.Model.Base.TokenEmbedding.Weight.Value.ToFloats();
        for (int column = 0; column < 32; column++)
        {
            double mean = Enumerable.Range(0, 97).Average(row => (double)table[row * 32 + column]);
            Assert.That(table[98 * 32 + column], Is.EqualTo(mean).Within(1e-7));
        }
        Assert.That(bench.Model.Base.OutputLayer!.Outputs, Is.EqualTo(99));
        Assert.That(bench.Model.Base.OutputLayer!.Weight == bench.Model.Base.TokenEmbedding.Weight, Is.EqualTo(family == "gpt2"));
        bench.Model.AddAdapter(new LoraConfig());
        using var saved = new TemporaryDirectory();
        bench.Model.Save(saved.FullPath);
        Assert.That(() => bench.Model.ResizeTokenEmbeddings(120),
            Throws.TypeOf<BadInputException>().With.Message.Contains("while adapters are attached (default)"));
        using var plain = new Bench(family == "llama" ? Family.Llama : Family.Gpt2);
        plain.Model.Load(saved.FullPath);
        Assert.That(plain.Base.VocabularySize, Is.EqualTo(99), "without resizing the base again");
        Assert.That(plain.Base.TokenEmbedding.Weight.Value.ToFloats(), Is.EqualTo(table));
    }

    [Test]
    public void A_vocabulary_has_at_least_one_token()
    {
        using var bench = new Bench(Family.Llama);
        Assert.That(() => bench.Model.ResizeTokenEmbeddings(0),
            Throws.TypeOf<BadInputException>().With.Message.Contains("cannot have 0 rows"));
        Assert.That(() => bench.Base.ResizeTokenEmbeddings(-5), Throws.TypeOf<BadInputException>());
    }

    [Test]
    public void An_adapter_of_another_method_may_bring_tables_too()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "ia3").WithWeights(AdapterFolder.Same,
            Table(Llama, bench.Base.TokenEmbedding.Weight, _ => { }, 1), Table(Head, bench.Base.OutputLayer!.Weight, _ => { }, 1));
        bench.Model.Load(folder.Path);
        Assert.That(bench.Base.VocabularySize, Is.EqualTo(98));
        using var converted = new TemporaryDirectory();
        Assert.That(() => bench.Model.SaveAsLora(converted.FullPath, int.MaxValue),
            Throws.TypeOf<BadInputException>().With.Message.Contains("rank is 2147483647, which is too large for a factor of"));
        bench.Model.SaveAsLora(converted.FullPath, 32);
        float[] before = bench.Logits();
        bench.Model.Load(converted.FullPath, "lora");
        Assert.That(bench.Base.VocabularySize, Is.EqualTo(98), "a conversion keeps the tables");
        Assert.That(bench.Logits(), Is.EqualTo(before).Within(1e-3f));
    }

    [Test]
    public void Virtual_tokens_may_come_with_tables_under_their_shorter_keys()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "prompt").WithWeights(AdapterFolder.Same,
            Table("base_model.model.embed_tokens.weight", bench.Base.TokenEmbedding.Weight, _ => { }, 1),
            Table("base_model.lm_head.weight", bench.Base.OutputLayer!.Weight, _ => { }, 1));
        bench.Model.Load(folder.Path);
        Assert.That(bench.Base.VocabularySize, Is.EqualTo(98));
        using var saved = new TemporaryDirectory();
        bench.Model.Save(saved.FullPath);
        using var file = SafetensorsFile.Open(saved["adapter_model.safetensors"]);
        Assert.That(file.Entries.Keys,
            Is.EquivalentTo(new[] { "prompt_embeddings", "base_model.model.embed_tokens.weight", "base_model.lm_head.weight" }));
    }

    [Test]
    public void A_start_from_the_base_and_another_table_of_a_target_are_refused()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "lora_pissa").With("target_modules", "[\"q_proj\", \"v_proj\", \"lm_head\"]")
            .WithWeights(AdapterFolder.Same,
            new SafetensorsTensor("base_model.model.lm_head.lora_A.weight", "F32", [4, 32], new byte[512]),
            new SafetensorsTensor("base_model.model.lm_head.lora_B.weight", "F32", [97, 4], new byte[97 * 16]),
            Table("base_model.model.lm_head.base_layer.weight", bench.Base.OutputLayer!.Weight, values => values[0] += 1, 0));
        Assert.That(() => bench.Model.Load(folder.Path),
            Throws.TypeOf<BadInputException>().With.Message.Contains("whether they are out already cannot be told"));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }

    private static AdapterFolder WithTables(string family, TransformerModel model, Action<float[]> change, int more = 0,
        bool withHead = true)
    {
        var embedding = Table(family == "llama" ? Llama : Gpt2, model.TokenEmbedding.Weight, change, more);
        return new AdapterFolder(family, "lora").WithWeights(AdapterFolder.Same, withHead
            ? [embedding, Table(Head, model.OutputLayer!.Weight, change, more)] : [embedding]);
    }

    private static SafetensorsTensor Table(string key, PeftCore.Nn.Parameter table, Action<float[]> change, int more)
    {
        float[] values = table.Value.ToFloats();
        change(values);
        int columns = table.Shape.Columns, rows = table.Shape[0] + more;
        Array.Resize(ref values, rows * columns);
        return new SafetensorsTensor(key, "F32", [rows, columns], MemoryMarshal.AsBytes<float>(values).ToArray());
    }
}

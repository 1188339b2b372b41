using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Adapters with token tables, and bases of another vocabulary, through the tool.</summary>
public sealed class SavedTableVerbsTests
{
    private const string Embedding = "base_model.model.model.embed_tokens.weight", Head = "base_model.model.lm_head.weight";

    private TemporaryDirectory _directory = null!;

    private static string Base => Bundled.Fixture("hf", "llama", "base");

    [SetUp]
    public void Make() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Clear() => _directory.Dispose();

    [Test]
    public void Verify_passes_with_the_bases_own_tables_in_the_file()
    {
        string adapter = WithTables("lora", 0);
        File.Copy(Bundled.Fixture("hf", "llama", "lora", "expected.safetensors"), Path.Combine(adapter, "expected.safetensors"));
        var run = ToolRun.Of("verify", adapter, "--model", Base);
        Assert.That(run.ExitCode, Is.Zero, run.Output + run.Error);
        Assert.That(run.Output, Does.Contain("saved.keys").And.Not.Contain("FAIL"));
    }

    [Test]
    public void Merge_and_inspect_take_tables_with_more_rows()
    {
        string adapter = WithTables("lora", 4), merged = In("merged");
        var merge = ToolRun.Of("merge", "--model", Base, "--adapter", adapter, "--output-dir", merged, "--json");
        Assert.That(merge.ExitCode, Is.Zero, merge.Error);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(merged, "config.json")))!;
        Assert.That((int)config["vocab_size"]!, Is.EqualTo(101));
        Assert.That((bool)config["tie_word_embeddings"]!, Is.False);
        using (var file = SafetensorsFile.Open(Path.Combine(merged, "model.safetensors")))
        {
            Assert.That(file.Entries["lm_head.weight"].Shape, Is.EqualTo(new long[] { 101, 32 }));
        }
        Assert.That(ToolRun.Of("inspect", adapter).ExitCode, Is.Zero);
        string again = In("again");
        Assert.That(ToolRun.Of("convert", "--adapter", adapter, "--output-dir", again).ExitCode, Is.Zero);
        var second = ToolRun.Of("merge", "--model", merged, "--adapter", again, "--output-dir", In("second"));
        Assert.That(second.ExitCode, Is.Zero, "the merged model loads, and the adapter's tables fit it: " + second.Error);
    }

    [Test]
    public void A_smaller_vocabulary_is_refused_until_the_base_is_resized()
    {
        string adapter = WithTables("lora", -2);
        var refused = ToolRun.Of("merge", "--model", Base, "--adapter", adapter, "--output-dir", In("merged"));
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain("has 95 rows, but the base has 97 tokens").And.Contain("--resize-token-embeddings 95"));
        var resized = ToolRun.Of("merge", "--model", Base, "--adapter", adapter, "--output-dir", In("merged"), "--resize-token-embeddings",
            "95");
        Assert.That(resized.ExitCode, Is.Zero, resized.Error);
    }

    [Test]
    public void Training_on_a_resized_vocabulary_saves_both_tables_and_plans_for_them()
    {
        string output = In("run"), data = In("train.jsonl");
        File.WriteAllText(data, string.Concat(Enumerable.Range(0, 8).Select(i => $"{{\"text\": \"one {i} two\"}}\n")));
        string model = Bundled.BaseLlama;
        int vocabulary = (int)JsonNode.Parse(File.ReadAllText(Path.Combine(model, "config.json")))!["vocab_size"]!;
        var plain = ToolRun.Of("plan", "--model", model, "--max-seq-length", "16", "--json");
        var larger = ToolRun.Of("plan", "--model", model, "--max-seq-length", "16", "--json", "--resize-token-embeddings",
            $"{4 * vocabulary}");
        Assert.That(larger.Json.GetProperty("planned_bytes").GetInt64(),
            Is.GreaterThan(plain.Json.GetProperty("planned_bytes").GetInt64()));
        string rows = $"{vocabulary + 8}";
        var run = ToolRun.Of("train", "--model", model, "--data", data, "--output-dir", output, "--max-steps", "2",
            "--resize-token-embeddings", rows, "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using (var file = SafetensorsFile.Open(Path.Combine(output, "adapter_model.safetensors")))
        {
            Assert.That(file.Entries[Embedding].Shape[0], Is.EqualTo(vocabulary + 8));
            Assert.That(file.Entries[Head].Shape[0], Is.EqualTo(vocabulary + 8));
        }
        var generated = ToolRun.Of("generate", "--model", model, "--adapter", output, "--prompt", "one", "--max-new-tokens", "3");
        Assert.That(generated.ExitCode, Is.Zero, "without the option: " + generated.Error);
        var evaluated = ToolRun.Of("eval", "--model", model, "--adapter", output, "--data", data, "--resize-token-embeddings", rows);
        Assert.That(evaluated.ExitCode, Is.Zero, evaluated.Error);
    }

    [TestCase("eval", "0")]
    [TestCase("generate", "0")]
    [TestCase("train", "-3")]
    public void A_vocabulary_without_tokens_is_refused(string verb, string rows)
    {
        var run = ToolRun.Of(verb, "--model", Base, verb == "generate" ? "--prompt" : "--data", "x", "--resize-token-embeddings", rows);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("resize-token-embeddings"));
    }

    [Test]
    public void Convert_without_a_base_refuses_to_resize_it()
    {
        var run = ToolRun.Of("convert", "--adapter", WithTables("lora", 0), "--output-dir", In("out"), "--resize-token-embeddings", "99");
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("name it with --model"));
    }

    private string In(string name) => Path.Combine(_directory.FullPath, name);

    private string WithTables(string adapter, int more)
    {
        string directory = In($"{adapter}{more}"), source = Bundled.Fixture("hf", "llama", adapter);
        Directory.CreateDirectory(directory);
        File.Copy(Path.Combine(source, "adapter_config.json"), Path.Combine(directory, "adapter_config.json"));
        using var model = SafetensorsFile.Open(Path.Combine(Base, "model.safetensors"));
        using var weights = SafetensorsFile.Open(Path.Combine(source, "adapter_model.safetensors"));
        SafetensorsWriter.Write(Path.Combine(directory, "adapter_model.safetensors"),
        [
            .. weights.Entries.Values.Select(entry => new SafetensorsTensor(entry.Name, entry.DType, entry.Shape, weights.Bytes(entry)
                .ToArray())),
            Table(Embedding, model, model.Entries["model.embed_tokens.weight"]), Table(Head, model, model.Entries["lm_head.weight"]),
        ]);
        return directory;

        SafetensorsTensor Table(string key, SafetensorsFile file, SafetensorsEntry entry)
        {
            float[] values = MemoryMarshal.Cast<byte, float>(file.Bytes(entry)).ToArray();
            long rows = entry.Shape[0] + more;
            Array.Resize(ref values, (int)(rows * entry.Shape[1]));
            return new SafetensorsTensor(key, "F32", [rows, entry.Shape[1]], MemoryMarshal.AsBytes<float>(values).ToArray());
        }
    }
}

using System.Text;
using PeftCore.Io;
using PeftCore.Peft;
using PeftCore.Peft.Sparse;
using PeftCore.Tests.Io;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class KilledVerbTests
{
    private static readonly string Base = Bundled.Fixture("hf", "llama", "base");
    private static readonly string Lora = Bundled.Fixture("hf", "llama", "lora");

    private TemporaryDirectory _root;

    private string Output => Path.Combine(_root.FullPath, "out");

    [SetUp]
    public void MakeRoot() => _root = new TemporaryDirectory();

    [TearDown]
    public void RemoveRoot() => _root.Dispose();

    [TestCase(false)]
    [TestCase(true)]
    public void Convert_leaves_the_older_adapter_or_the_new_one(bool replaces)
    {
        string dora = Bundled.Fixture("hf", "llama", "lora_dora");
        KillPoints.Check(_root.FullPath, Older(replaces, "convert", "--adapter", dora), Call("convert", "--adapter", Lora),
            () => ReadIfThere(directory => SavedAdapter.Load(directory)));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Merge_leaves_the_older_model_or_the_new_one(bool replaces)
    {
        string ia3 = Bundled.Fixture("hf", "llama", "ia3");
        KillPoints.Check(_root.FullPath, () =>
        {
            Older(replaces, "merge", "--model", Base, "--adapter", ia3)();
            if (replaces)
            {
                File.WriteAllText(Path.Combine(Output, "generation_config.json"), "{\"eos_token_id\": 1}");
                File.WriteAllText(Path.Combine(Output, "tokenizer_config.json"), "{}");
            }
        }, Call("merge", "--model", Base, "--adapter", Lora), () => ReadIfThere(directory => ModelDirectory.Open(directory)));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Select_leaves_the_older_selection_or_the_new_one(bool replaces) => KillPoints.Check(_root.FullPath,
        Older(replaces, "select", "--model", Base, "--criterion", "magnitude", "--density", "0.05"),
        Call("select", "--model", Base, "--criterion", "random", "--density", "0.1"),
        () => ReadIfThere(directory => SparseMask.Load(Path.Combine(directory, "mask.safetensors"))));

    [Test]
    public void Compare_leaves_the_older_table_and_adapters_or_the_new_ones()
    {
        string[] rows = File.ReadAllLines(Path.Combine(Bundled.DemoData, "train.jsonl"));
        using var data = new TemporaryDirectory();
        File.WriteAllLines(Path.Combine(data.FullPath, "train.jsonl"), rows.Take(4));
        File.WriteAllLines(Path.Combine(data.FullPath, "valid.jsonl"), rows.Skip(4).Take(2));
        string[] small = ["compare", "--model", Bundled.BaseLlama, "--data", data.FullPath, "--base-text",
            Path.Combine(data.FullPath, "valid.jsonl"), "--max-steps", "1", "--batch-size", "1", "--max-seq-length", "24"];
        string[] call = [.. small, "--methods", "ia3,lora[r=2]", "--learning-rates", "1e-3"];
        int all = 0;
        KillPoints.Check(_root.FullPath, Older(true, [.. small, "--methods", "ia3", "--learning-rates", "1e-2"]), Call(call),
            () => ReadIfThere(directory =>
        {
            AtomicDirectory.Recover(directory);
            all++;
        }), every: 6, bytes: WithoutClock);
        Assert.That(all, Is.GreaterThan(4));
    }

    /// <summary>Only methods, rates and losses of a table, because times and peaks differ between runs.</summary>
    private static byte[] WithoutClock(string path) => path.EndsWith(".md", StringComparison.Ordinal)
        ? Encoding.UTF8.GetBytes(string.Concat(File.ReadAllLines(path).Select(line => string.Join('|', line.Split('|').Take(4)))))
        : File.ReadAllBytes(path);

    private Action Older(bool replaces, params string[] call) => replaces ? Call(call) : () => { };

    private Action Call(params string[] call) => () =>
    {
        var run = ToolRun.Of([.. call, "--output-dir", Output]);
        Assert.That(DiskChanges.Before is not null || run.ExitCode == 0, run.Error);
    };

    private void ReadIfThere(Action<string> read)
    {
        if (Directory.Exists(Output))
        {
            read(Output);
        }
    }
}

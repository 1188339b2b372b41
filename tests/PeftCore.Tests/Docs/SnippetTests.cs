using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Docs.Snippets;
using PeftCore.Tests.Training;
using PeftCore.Training;

namespace PeftCore.Tests.Docs;

/// <summary>Every C# snippet of the README and the docs is, line by line, in a file that is compiled and run by tests.</summary>
public sealed class SnippetTests
{
    private const string Fence = "```";

    /// <summary>The folders of the compiled files; the other folders' projects run theirs, and SampleTests those of docs/samples.</summary>
    private static readonly string[] SnippetFolders =
        ["tests/PeftCore.Tests/Docs/Snippets", "tests/PeftCore.PublicApi.Tests/Samples", "tests/PeftCore.Extensions.AI.Tests/Snippets",
            "tests/PeftCore.Ilgpu.Tests/Snippets", "docs/samples"];

    private static IEnumerable<string> Pages() =>
        Directory.GetFiles(Path.Combine(TestFiles.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(TestFiles.Root, "README.md")).Select(path => Path.GetRelativePath(TestFiles.Root, path))
            .Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Pages))]
    public void Its_snippets_stand_in_compiled_code(string page)
    {
        string[] lines = File.ReadAllLines(Path.Combine(TestFiles.Root, page));
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Trim() != Fence + "csharp")
            {
                continue;
            }
            string marker = i == 0 ? "" : lines[i - 1].Trim();
            Assert.That(marker, Does.Match("^<!-- snippet: [A-Za-z-]+ -->$"),
                $"{page}, line {i + 1}: a snippet needs its marker in the line before");
            string name = marker["<!-- snippet: ".Length..^" -->".Length];
            var snippet = lines.Skip(i + 1).TakeWhile(line => line.Trim() != Fence).Select(line => line.Trim())
                .Where(line => line.Length > 0).ToList();
            AssertInOrder(snippet, File.ReadAllLines(SourceOf(name)), $"{page}, snippet {name}");
        }
    }

    [Test]
    public void The_library_snippet_trains_and_writes_an_adapter()
    {
        string output = Directory.CreateTempSubdirectory("peftcore-snippet-").FullName;
        try
        {
            string demo = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo");
            Library.Run(Path.Combine(demo, "base-llama"), Path.Combine(demo, "data", "train.jsonl"), output);
            Assert.That(Path.Combine(output, "adapter_model.safetensors"), Does.Exist);
        }
        finally
        {
            Directory.Delete(output, recursive: true);
        }
    }

    [Test]
    public async Task The_calls_of_several_threads_have_texts() => Assert.That(
        await ConcurrentCalls.Run(Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo", "base-llama")), Is.Not.Empty);

    [Test]
    public void The_walk_through_learns_labels_and_writes_an_adapter()
    {
        using var directory = new TemporaryDirectory();
        string rows = string.Concat(Enumerable.Range(0, 16).Select(i => i % 2 == 0 ? $"It was a fine day number {i}.,no_complaint,{i}\n"
            : $"It was a dull day number {i}.,complaint,{i}\n"));
        File.WriteAllText(directory["train.csv"], "Tweet text,Label,ID\n" + rows);

        var scores = Walkthrough.Run(Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo", "base-t5"), directory["train.csv"],
            directory["train.csv"], directory["out"]);

        Assert.That((scores["accuracy"], scores["f1"]), Is.EqualTo((1.0, 1.0)));
        Assert.That(directory["out", "adapter_model.safetensors"], Does.Exist);
    }

    [Test]
    public void The_traced_step_has_a_loss()
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var model = new PeftModel(ModelLoader.Load(TestFiles.Fixture("hf", "llama", "base"), backend));
        model.AddAdapter(new LoraConfig { Rank = 2 });
        Assert.That(TracedStep.Run(model, MemoryPlan.FullBatch(model.Base, 2, 8)).Result.Loss, Is.GreaterThan(0));
        model.Base.Dispose();
    }

    [Test]
    public void The_lora_snippet_writes_adapters_and_a_merged_model()
    {
        using var directory = new TemporaryDirectory();
        LoraAdapters.Run(TestFiles.Fixture("hf", "llama", "base"), directory["adapters"], directory["merged"]);
        Assert.That(directory["adapters", "task", "adapter_model.safetensors"], Does.Exist);
        Assert.That(directory["merged", "model.safetensors"], Does.Exist);
    }

    private static IEnumerable<TestCaseData> MethodSnippets()
    {
        yield return Method("ia3", (model, directory) => ScalingAdapters.Run(model, directory["out"]));
        yield return Method("ln tuning", (model, directory) => LnTuningAdapters.Run(model, directory["out"]));
        yield return Method("trainable tokens", (model, directory) => TrainableTokenAdapters.Run(model, directory["out"]));
        yield return Method("prompts", (model, directory) => PromptAdapters.Run(model, directory["out"]));
        yield return Method("p-tuning", (model, directory) => PTuningAdapters.Run(model, directory["checkpoint"], directory["out"]));
        yield return Method("prefixes", (model, directory) => PrefixAdapters.Run(model, directory["out"]));
        yield return Method("bottlenecks", (model, directory) => BottleneckAdapters.Run(model, directory["out"]));
        yield return Method("last layers", (model, directory) => LastLayerAdapters.Run(model, directory["out"]));
        yield return Method("biases", (model, directory) => BitFitAdapters.Run(model, directory["out"]), "gpt2");
        yield return Method("sparse", (model, directory) => SparseAdapters.Run(model, Runs.Loader(4, 1, 2), directory["out"]));

        yield return Method("calibration", (model, directory) =>
            CalibratedAdapters.Run(model, ModelInputs.From((Backend)model.Base.TokenEmbedding.Weight.Value.Device, [1, 2, 3, 4, 5, 6], 2),
                directory["out"], directory["small"]));
        foreach (var (name, run) in new (string, Action<PeftModel, string>)[]
        {
            ("adalora", AdaLoraAdapters.Run), ("vera", VeraAdapters.Run), ("loha", LoHaAdapters.Run), ("lokr", LoKrAdapters.Run),
            ("oft", OftAdapters.Run),
            ("boft", BoftAdapters.Run), ("hra", HraAdapters.Run), ("shira", ShiraAdapters.Run), ("fourierft", FourierAdapters.Run),
            ("vblora", VectorBankAdapters.Run),
            ("randlora", RandLoraAdapters.Run), ("c3a", CirculantAdapters.Run), ("miss", MissAdapters.Run),
        })
        {
            yield return Method(name, (model, directory) => run(model, directory["out"]));
        }

        static TestCaseData Method(string name, Action<PeftModel, TemporaryDirectory> run, string family = "llama") =>
            new(family, run) { TestName = $"The snippet of {name} runs and saves its adapters" };
    }

    [TestCaseSource(nameof(MethodSnippets))]
    public void A_methods_snippet_runs(string family, object run)
    {
        using var directory = new TemporaryDirectory();
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var model = new PeftModel(ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), backend));
        ((Action<PeftModel, TemporaryDirectory>)run)(model, directory);
        Assert.That(model.AdapterNames.Select(name => directory["out", name, "adapter_model.safetensors"]),
            Is.All.Matches<string>(File.Exists));
        model.Unload();
        model.Base.Dispose();
    }

    private static string SourceOf(string name) =>
        SnippetFolders.Select(folder => Path.Combine(TestFiles.Root, folder, name + ".cs")).First(File.Exists);

    private static void AssertInOrder(List<string> snippet, string[] source, string what)
    {
        int at = 0;
        foreach (string line in snippet)
        {
            while (at < source.Length && source[at].Trim() != line)
            {
                at++;
            }
            Assert.That(at, Is.LessThan(source.Length), $"{what}: this line is not in the compiled file, or not in this order: {line}");
            at++;
        }
    }
}

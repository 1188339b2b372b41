namespace PeftCore.Cli.Tests.Verbs;

/// <summary>No verb mixes two kinds of content in one directory without a message.</summary>
public sealed class OutputDirectoryTests
{
    private static readonly string Base = Bundled.Fixture("hf", "llama", "base");

    private TemporaryDirectory _directory;
    private string _adapter;
    private string _model;

    [SetUp]
    public void CopyAdapterAndModel()
    {
        _directory = new TemporaryDirectory();
        _adapter = Copy(Bundled.Fixture("hf", "llama", "lora"), "adapter");
        _model = Copy(Base, "model");
    }

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [TestCase("adapter")]
    [TestCase("adapter/")]
    [TestCase("./model/../adapter")]
    [TestCase("model")]
    [TestCase("model//")]
    [TestCase("link")]
    [TestCase("elsewhere/link/../../adapter")]
    [TestCase("linked-parent/adapter")]
    public void A_merge_into_one_of_its_own_directories_is_refused(string output)
    {
        Link("link", _adapter);
        Link("linked-parent", _directory.FullPath);
        Directory.CreateDirectory(In("elsewhere", "link"));
        Refused(Merge(In(output)), "which the result would be mixed with; name another --output-dir");
        Assert.That(File.Exists(In("adapter", "config.json")), Is.False);
    }

    [TestCase("adapter/merged")]
    [TestCase("model/merged")]
    [TestCase(".")]
    [TestCase("link/merged")]
    public void A_merge_into_a_directory_inside_or_around_is_refused(string output)
    {
        Link("link", _model);
        Refused(Merge(In(output)), "one inside the other; name another --output-dir");
    }

    [Test]
    public void A_merge_replaces_a_model_aloud_and_refuses_anything_else()
    {
        Assert.That(Merge(In("out")).ExitCode, Is.Zero);
        var again = Merge(In("out") + "/");
        Assert.That(again.ExitCode, Is.Zero, again.Error);
        Assert.That(again.Error, Does.Contain("the directory holds a model (config.json), which the result replaces"));
        File.WriteAllText(In("out", "model-00001-of-00002.safetensors"), "");
        Refused(Merge(In("out")), "weights (model-00001-of-00002.safetensors) that would stay beside the new ones");
        Refused(Merge(Copy(_adapter, "other")), "the directory holds an adapter (adapter_config.json)");
        Refused(Merge(_directory.Write("file", "x")), "a directory is to be written here, but this is a file");
    }

    [Test]
    public void A_conversion_goes_where_neither_its_sources_nor_a_model_nor_a_run_are()
    {
        string[] call = ["convert", "--adapter", _adapter, "--model", _model, "--rank", "2", "--output-dir"];
        Refused(ToolRun.Of([.. call, _adapter + "/"]), "the directory of the adapter itself");
        Refused(ToolRun.Of([.. call, _model]), "the directory of the base model");
        Refused(ToolRun.Of([.. call, Copy(_model, "other")]), "the directory holds a model (config.json)");
        string run = Copy(_adapter, "run");
        File.WriteAllText(Path.Combine(run, "training_log.jsonl"), "");
        Refused(ToolRun.Of([.. call, run]), "the directory holds a training run (training_log.jsonl)");
        Assert.That(ToolRun.Of([.. call, In("out")]).ExitCode, Is.Zero);
        Assert.That(ToolRun.Of([.. call, In("out")]).Error,
            Does.Contain("holds an adapter (adapter_config.json), which the result replaces"));
    }

    [Test]
    public void A_run_a_selection_and_a_comparison_go_where_nothing_else_is()
    {
        string[] data = ["--data", Bundled.DemoData, "--batch-size", "1", "--max-seq-length", "16"];
        string[] train = ["train", "--model", Bundled.BaseLlama, .. data, "--max-steps", "1", "--target-modules",
            "layers.0.self_attn.q_proj", "--output-dir"];
        Refused(ToolRun.Of([.. train, Bundled.BaseLlama]), "the directory of the base model");
        Refused(ToolRun.Of([.. train, _model]), "the directory holds a model (config.json)");
        Refused(ToolRun.Of([.. train, _adapter]), "the directory holds an adapter (adapter_config.json)");
        Refused(ToolRun.Of([.. train, _directory.Write("file", "x")]), "this is a file");
        Assert.That(ToolRun.Of([.. train, In("run")]).ExitCode, Is.Zero);
        Refused(ToolRun.Of([.. train, In("run")]), "holds checkpoint-1 of an earlier run");
        Refused(ToolRun.Of([.. train, In("run", "checkpoint-1"), "--resume-from-checkpoint", In("run")]),
            "the directory holds a checkpoint (trainer_state.json)");

        foreach (string verb in (string[])["select", "compare"])
        {
            string[] call = [verb, "--model", Bundled.BaseLlama, .. data, "--output-dir"];
            Refused(ToolRun.Of([.. call, Bundled.BaseLlama]), "the directory of the base model");
            Refused(ToolRun.Of([.. call, _adapter]), "the directory holds an adapter");
            Refused(ToolRun.Of([.. call, In("run")]), "the directory holds a training run");
        }
        Directory.CreateDirectory(In("comparison", "03-vera"));
        Refused(ToolRun.Of(["compare", "--model", Bundled.BaseLlama, .. data, "--methods", "ia3", "--output-dir", In("comparison")]),
            "03-vera of an earlier comparison");
        Directory.CreateDirectory(In("demo", "merged"));
        File.Copy(Path.Combine(_adapter, "adapter_config.json"), In("demo", "merged", "adapter_config.json"));
        Refused(ToolRun.Of("demo", "--output-dir", In("demo")), "the directory holds an adapter");
    }

    private static void Refused(ToolRun run, string sentence)
    {
        Assert.That(run.ExitCode, Is.EqualTo(2), run.Output + run.Error);
        Assert.That(run.Error, Does.Contain(sentence));
        Assert.That(run.Error.TrimEnd().Split('\n').Last(), Does.StartWith("peftcore: "));
    }

    private ToolRun Merge(string output) => ToolRun.Of("merge", "--model", _model, "--adapter", _adapter, "--output-dir", output);

    private string In(params string[] parts) => Path.Combine([_directory.FullPath, .. parts]);

    private void Link(string name, string target) => Directory.CreateSymbolicLink(In(name), target);

    private string Copy(string source, string name)
    {
        string target = Directory.CreateDirectory(In(name)).FullName;
        foreach (string file in Directory.EnumerateFiles(source)
            .Where(file => !file.EndsWith("expected.safetensors", StringComparison.Ordinal)))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        }
        return target;
    }
}

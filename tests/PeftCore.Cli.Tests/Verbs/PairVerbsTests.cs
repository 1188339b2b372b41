using System.Text;
using PeftCore.Cli.Demo;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>CLIP through the tool: pictures with texts, classes that are texts, and a classifier on its pictures.</summary>
public sealed class PairVerbsTests
{
    private TemporaryDirectory _directory = null!;
    private string _model = null!;

    [SetUp]
    public void Make()
    {
        _directory = new TemporaryDirectory();
        _model = SmallModels.Clip(Path("m"));
    }

    [TearDown]
    public void Remove() => _directory.Dispose();

    [TestCase("metadata.csv")]
    [TestCase("metadata.jsonl")]
    public void Pictures_and_their_texts_are_learned_and_found_again(string name)
    {
        string data = Pairs(name), adapter = Path("a");
        var trained = Train(data, adapter, "--method", "full", "--learning-rate", "2e-3", "--max-steps", "60");
        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        var scored = ToolRun.Of("eval", "--model", _model, "--adapter", adapter, "--data", data, "--json");
        Assert.That(scored.ExitCode, Is.Zero, scored.Error);
        Assert.That(scored.Json.EnumerateObject().Select(field => field.Name),
            Is.EqualTo(["loss", "targets", "image_to_text_accuracy", "text_to_image_accuracy"]));
        Assert.That(scored.Json.GetProperty("image_to_text_accuracy").GetDouble(), Is.GreaterThan(0.6), "a third by chance");
        Assert.That(scored.Json.GetProperty("targets").GetInt32(), Is.EqualTo(12));
        Assert.That(ToolRun.Of("eval", "--model", _model, "--adapter", adapter, "--data", data).Output,
            Does.Contain("image to text accuracy").And.Contain("over 12 pictures with texts"));
    }

    [Test]
    public void Texts_are_the_classes_of_a_picture()
    {
        Pairs("metadata.csv");
        string picture = System.IO.Path.Combine(Path("pairs"), "disc", "00.png");
        var run = ToolRun.Of("generate", "--model", _model, "--image", picture, "--labels", "a picture of a disc, checks,stripes", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        var classes = run.Json.GetProperty("classes").EnumerateArray().ToList();
        Assert.That(classes.Select(found => found.GetProperty("label").GetString()),
            Is.EquivalentTo(["a picture of a disc", "checks", "stripes"]));
        Assert.That(classes.Sum(found => found.GetProperty("probability").GetDouble()), Is.EqualTo(1).Within(1e-6));
    }

    [TestCase("--labels is \"disc\", expected at least two texts", "--labels", "disc")]
    [TestCase("has no classes of its own; give --labels")]
    [TestCase("has 16 tokens, but the model reads 14", "--labels", "disc,a a a a a a a a a a a a a a a a")]
    public void Classes_that_cannot_be_compared_are_refused(string problem, params string[] flags)
    {
        Pairs("metadata.csv");
        var run = ToolRun.Of(["generate", "--model", _model, "--image", System.IO.Path.Combine(Path("pairs"), "disc", "00.png"), .. flags]);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain(problem));
    }

    [Test]
    public void A_row_without_a_text_and_a_missing_picture_are_named_with_their_line()
    {
        string data = Pairs("metadata.csv");
        File.AppendAllText(System.IO.Path.Combine(data, "metadata.csv"), "disc/none.png,a disc\n");
        Assert.That(Train(data, Path("a")).Error, Does.Contain("metadata.csv, line 14").And.Contain("none.png: there is no such file"));
        File.WriteAllText(System.IO.Path.Combine(data, "metadata.csv"), "file_name,label\ndisc/00.png,disc\n");
        Assert.That(Train(data, Path("a")).Error, Does.Contain("metadata.csv, line 2").And.Contain("a picture and what it shows"));
    }

    [Test]
    public void Pairs_are_planned_inspected_and_compared()
    {
        Assert.That(ToolRun.Of("plan", "--model", _model, "--batch-size", "4").Output, Does.Contain("batch 4 pictures with texts of 16"));
        var bench = ToolRun.Of("bench", "step", "--model", _model, "--batch-size", "4", "--steps", "1", "--warmup", "1", "--json");
        long planned = bench.Json.GetProperty("planned_bytes").GetInt64();
        Assert.That(bench.Json.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(planned).Within(planned / 100), bench.Error);
        Assert.That(ToolRun.Of("inspect", _model).Output, Does.Contain("contrastive").And.Contain("text: vocab size")
            .And.Contain("vision: image size").And.Contain("projection dim"));

        string data = Pairs("metadata.csv"), split = Path("split");
        Directory.CreateDirectory(split);
        foreach (string name in (string[])["train", "valid"])
        {
            Directory.CreateSymbolicLink(System.IO.Path.Combine(split, name), data);
        }
        var compared = ToolRun.Of("compare", "--model", _model, "--data", split, "--output-dir", Path("c"), "--methods", "lora,ln_tuning",
            "--learning-rates", "1e-3", "--max-steps", "2");
        Assert.That(compared.ExitCode, Is.Zero, compared.Error);
        Assert.That(File.ReadAllText(System.IO.Path.Combine(Path("c"), "comparison.md")), Does.Contain("| – |"));
    }

    [Test]
    public void The_tower_of_pictures_becomes_a_classifier_that_is_merged_and_loaded()
    {
        string shapes = Path("shapes"), adapter = Path("a"), merged = Path("merged");
        DemoPictures.Draw(shapes, train: 4, seed: 3);
        var trained = ToolRun.Of("train", "--model", _model, "--task", "image-cls", "--data", shapes, "--output-dir", adapter, "--max-steps", "3");
        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        Assert.That(ToolRun.Of("merge", "--model", _model, "--adapter", adapter, "--output-dir", merged).ExitCode, Is.Zero);
        double Loss(params string[] flags) => ToolRun.Of(["eval", "--data", shapes, "--json", .. flags]).Json.GetProperty("loss").GetDouble();

        Assert.That(Loss("--model", merged), Is.EqualTo(Loss("--model", _model, "--adapter", adapter)).Within(1e-6));
        var told = ToolRun.Of("inspect", merged);
        Assert.That(told.Output, Does.Contain("CLIPForImageClassification").And.Contain("checks, disc, stripes"), told.Error);
        string picture = System.IO.Path.Combine(shapes, "test", "disc", "00.png");
        Assert.That(ToolRun.Of("generate", "--model", merged, "--image", picture).Output, Does.Contain("disc"));
        Assert.That(ToolRun.Of("generate", "--model", merged, "--image", picture, "--labels", "a,b").Error, Does.Contain("leave --labels out"));
    }

    private string Path(string name) => System.IO.Path.Combine(_directory.FullPath, name);

    /// <summary>Four pictures of each shape with a text.</summary>
    private string Pairs(string name)
    {
        DemoPictures.Draw(Path("drawn"), train: 4, seed: 3);
        Directory.Move(System.IO.Path.Combine(Path("drawn"), "train"), Path("pairs"));
        var lines = new StringBuilder(name.EndsWith("csv", StringComparison.Ordinal) ? "file_name,text\n" : "");
        foreach (string shape in DemoPictures.Classes)
        {
            for (int i = 0; i < 4; i++)
            {
                lines.Append(name.EndsWith("csv", StringComparison.Ordinal) ? $"{shape}/{i:00}.png,a picture of a {shape}\n"
                    : $"{{\"file_name\": \"{shape}/{i:00}.png\", \"text\": \"a picture of a {shape}\"}}\n");
            }
        }
        File.WriteAllText(System.IO.Path.Combine(Path("pairs"), name), lines.ToString());
        return Path("pairs");
    }

    private ToolRun Train(string data, string output, params string[] more) => ToolRun.Of(
        ["train", "--model", _model, "--task", "contrastive", "--data", data, "--output-dir", output, "--batch-size", "6", .. more]);
}

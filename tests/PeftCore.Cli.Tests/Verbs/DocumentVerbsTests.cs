using PeftCore.Cli.Demo;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Models of pages through the tool: training, evaluation, tags of words, and their errors.</summary>
public sealed class DocumentVerbsTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Make() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Remove() => _directory.Dispose();

    [Test]
    public void The_demo_of_documents_finds_entities_and_all_three_agree()
    {
        var run = ToolRun.Of("demo", "--documents", "true", "--max-steps", "60", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("f1_after").GetDouble(), Is.GreaterThan(run.Json.GetProperty("f1_before").GetDouble() + 0.5));
        Assert.That(run.Json.GetProperty("max_disagreement").GetDouble(), Is.LessThan(1e-4));
        Assert.That(run.Error, Does.Contain("B-TOTAL").And.Contain("forms that were held out"));
    }

    [Test]
    public void Two_demos_at_once_are_refused() =>
        Assert.That(ToolRun.Of("demo", "--documents", "true", "--vision", "true").Error, Does.Contain("leave one of them out"));

    [Test]
    public void An_adapter_scores_and_tags_as_the_merged_model()
    {
        string model = SmallModels.LayoutLm(Path("m")), forms = Forms(), adapter = Path("a"), merged = Path("merged");
        var trained = Train(model, forms, adapter);
        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        Assert.That(trained.Error, Does.Contain("precision").And.Contain("f1"));

        Assert.That(ToolRun.Of("merge", "--model", model, "--adapter", adapter, "--output-dir", merged).ExitCode, Is.Zero);
        var scored = ToolRun.Of("eval", "--model", model, "--adapter", adapter, "--data", forms, "--json");
        Assert.That(scored.ExitCode, Is.Zero, scored.Error);
        Assert.That(scored.Json.EnumerateObject().Select(field => field.Name),
            Is.EqualTo(["loss", "targets", "accuracy", "precision", "recall", "f1"]));
        Assert.That(ToolRun.Of("eval", "--model", merged, "--data", forms, "--json").Json.GetProperty("loss").GetDouble(),
            Is.EqualTo(scored.Json.GetProperty("loss").GetDouble()).Within(1e-6));

        string page = _directory.Write("page.jsonl", """{"words": ["total", "12.50"], "boxes": [[50, 825, 110, 850], [700, 825, 760, 850]]}""");
        var told = ToolRun.Of("generate", "--model", model, "--adapter", adapter, "--page", page, "--json");
        Assert.That(told.ExitCode, Is.Zero, told.Error);
        var words = told.Json.GetProperty("pages")[0].GetProperty("words").EnumerateArray().ToList();
        Assert.That(words.Select(word => word.GetProperty("word").GetString()), Is.EqualTo(["total", "12.50"]));
        Assert.That(words.Select(word => word.GetProperty("tag").GetString()), Is.All.AnyOf([.. DemoForms.Tags]));
        Assert.That(ToolRun.Of("generate", "--model", merged, "--page", page).Output, Does.Contain("12.50").And.Contain(" %"));
    }

    [Test]
    public void Names_of_fields_on_the_hub_are_read_and_pictures_are_read_by_layoutlmv3()
    {
        string model = SmallModels.LayoutLmV3(Path("m")), adapter = Path("a");
        PngFile.Write(Path("page.png"), new byte[20 * 30 * 3], 20, 30);
        string data = _directory.Write("train.jsonl", string.Concat(Enumerable.Range(0, 4).Select(i =>
            $$"""{"image": "page.png", "tokens": ["total", "{{i}}"], "bboxes": [[1, 2, 3, 4], [5, 6, 7, 8]], "ner_tags": ["O", "B-TOTAL"]}""" + "\n")));
        var trained = Train(model, data, adapter);
        Assert.That(trained.ExitCode, Is.Zero, trained.Error);
        var scored = ToolRun.Of("eval", "--model", model, "--adapter", adapter, "--data", data, "--json");
        Assert.That(scored.Json.GetProperty("targets").GetInt32(), Is.EqualTo(8), scored.Error);

        string page = _directory.Write("one.json", """[{"image": "page.png", "words": ["total"], "boxes": [[1, 2, 3, 4]]}]""");
        Assert.That(ToolRun.Of("generate", "--model", model, "--adapter", adapter, "--page", page).Output, Does.StartWith("total"));
    }

    [TestCase("""{"image": "none.png", "words": ["a"], "boxes": [[1, 2, 3, 4]], "tags": ["O"]}""", "bad.jsonl, line 2", "none.png: there is no such file")]
    [TestCase("""{"words": ["a"], "boxes": [[1, 2, 3, 4]], "tags": ["O"]}""", "bad.jsonl, line 2",
        "the page has no \"image\", but that of line 1 has one")]
    [TestCase("""{"image": "page.png", "words": ["a"], "boxes": [[1, 2, 3, 1001]], "tags": ["O"]}""", "bad.jsonl, line 2", "lies outside of the page")]
    [TestCase("""{"image": "page.png", "words": ["a"], "boxes": [[1, 2, 3, 4], [1, 2, 3, 4]], "tags": ["O"]}""", "bad.jsonl, line 2",
        "\"words\" has 1 words and \"boxes\" has 2 boxes")]
    [TestCase("""{"image": "page.png", "words": ["a"], "boxes": [[1, 2, 3, 4]]}""", "bad.jsonl, line 2", "without \"tags\"")]
    [TestCase("""{"image": "page.png", "words": ["a"], "boxes": [[1, 2, 3, 4]], "tags": ["O"], "labels": ["O"]}""", "bad.jsonl, line 2",
        "\"tags\" and \"labels\" are two names of one field")]
    public void A_bad_page_is_named_with_file_and_line(string row, string place, string problem)
    {
        string model = SmallModels.LayoutLmV3(Path("m"));
        PngFile.Write(Path("page.png"), new byte[20 * 30 * 3], 20, 30);
        string data = _directory.Write("bad.jsonl",
            """{"image": "page.png", "words": ["a", "b"], "boxes": [[1, 2, 3, 4], [1, 2, 3, 4]], "tags": ["O", "B"]}""" + "\n" + row + "\n");
        var run = Train(model, data, Path("a"));
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain(place).And.Contain(problem));
    }

    [Test]
    public void A_page_with_a_missing_picture_is_left_out_only_if_asked_for()
    {
        string model = SmallModels.LayoutLmV3(Path("m"));
        PngFile.Write(Path("page.png"), new byte[20 * 30 * 3], 20, 30);
        string data = _directory.Write("some.jsonl", string.Concat(new[] { "page", "none", "page" }.Select(name =>
            $$"""{"image": "{{name}}.png", "words": ["a", "b"], "boxes": [[1, 2, 3, 4], [1, 2, 3, 4]], "tags": ["O", "B"]}""" + "\n")));
        var run = Train(model, data, Path("a"), "--skip-bad", "true");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("1 of 3 files were left out").And.Contain("none.png"));
    }

    [Test]
    public void Pages_without_pictures_train_with_a_note()
    {
        string forms = Forms();
        var run = Train(SmallModels.LayoutLmV3(Path("m")), forms, Path("a"));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("No row has the picture of its page"));
    }

    [Test]
    public void Models_that_tag_no_words_and_files_that_are_no_pages_are_refused()
    {
        string page = _directory.Write("page.jsonl", """{"text": "a"}""");
        Assert.That(ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--page", page).Error, Does.Contain("tags no words"));
        string model = SmallModels.LayoutLm(Path("m")), adapter = Path("a");
        Train(model, Forms(), adapter);
        var run = ToolRun.Of("generate", "--model", model, "--adapter", adapter, "--page", page);
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((2, $"peftcore: {page}, line 1: the row has \"text\" alone, expected {{\"tokens\"}}, " +
            "or {\"words\", \"boxes\"} for models that read pages." + Environment.NewLine)));
        Assert.That(ToolRun.Of("generate", "--model", model, "--adapter", adapter, "--prompt", "x").Error, Does.Contain("expected --page FILE"));
    }

    [TestCase("layoutlm")]
    [TestCase("layoutlmv3")]
    public void Pages_are_planned_inspected_and_compared(string type)
    {
        string model = type == "layoutlm" ? SmallModels.LayoutLm(Path("m")) : SmallModels.LayoutLmV3(Path("m"));
        string forms = Forms(), adapter = Path("a"), merged = Path("merged");
        var bench = ToolRun.Of("bench", "step", "--model", model, "--task", "token-cls", "--batch-size", "2", "--max-seq-length", "16",
            "--steps", "1", "--warmup", "1", "--json");
        Assert.That(bench.ExitCode, Is.Zero, bench.Error);
        long planned = bench.Json.GetProperty("planned_bytes").GetInt64();
        Assert.That(bench.Json.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(planned).Within(planned / 100));
        Assert.That(ToolRun.Of("plan", "--model", model, "--task", "token-cls", "--max-seq-length", "32").Output, Does.Contain("batch 8 × 32"));
        Assert.That(ToolRun.Of("inspect", model).Output, Does.Contain("max 2d position embeddings").And.Contain("1024"));

        Train(model, forms, adapter);
        Assert.That(ToolRun.Of("inspect", adapter).Output, Does.Contain("B-TOTAL"));
        ToolRun.Of("merge", "--model", model, "--adapter", adapter, "--output-dir", merged);
        var compared = ToolRun.Of("compare", "--model", merged, "--data", forms, "--output-dir", Path("c"), "--methods", "lora,bitfit",
            "--learning-rates", "1e-3", "--max-steps", "2");
        Assert.That(compared.ExitCode, Is.Zero, compared.Error);
        Assert.That(File.ReadAllText(System.IO.Path.Combine(Path("c"), "comparison.md")), Does.Contain("| – |").And.Contain("bitfit"));
    }

    private string Path(string name) => System.IO.Path.Combine(_directory.FullPath, name);

    private string Forms()
    {
        DemoForms.Write(Path("forms"), train: 6, seed: 3);
        return Path("forms");
    }

    private static ToolRun Train(string model, string data, string output, params string[] more) => ToolRun.Of(["train", "--model", model,
        "--task", "token-cls", "--data", data, "--output-dir", output, "--max-steps", "3", "--batch-size", "3", "--max-seq-length", "48", .. more]);
}

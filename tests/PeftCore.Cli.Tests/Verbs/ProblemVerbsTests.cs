using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Classifiers of texts that learn several classes of each, or a number: rows with "labels", and --problem-type.</summary>
public sealed class ProblemVerbsTests
{
    private static readonly string Bert = Bundled.BaseBert;

    private TemporaryDirectory _directory;
    private string _adapter;

    [SetUp]
    public void MakeDirectory()
    {
        _directory = new TemporaryDirectory();
        _adapter = Path.Combine(_directory.FullPath, "a");
    }

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_model_of_several_classes_is_trained_saved_loaded_and_merged()
    {
        string data = _directory.Write("s.jsonl", """
            {"text": "a fine old ship", "labels": ["sea", "old"]}
            {"text": "a dull and dirty street", "labels": []}
            {"text": "an old house", "labels": ["old"]}

            """);
        var trained = Train(data, "--validation-split", "0.4");
        Assert.That(trained.Error, Does.Contain("micro f1").And.Contain("exact match"));
        var run = Eval(data, "--adapter", _adapter);
        Assert.That(run.Json.EnumerateObject().Select(field => field.Name),
            Is.EqualTo(["loss", "targets", "micro_f1", "macro_f1", "exact_match"]));
        string merged = Path.Combine(_directory.FullPath, "m");
        Assert.That(ToolRun.Of("merge", "--model", Bert, "--adapter", _adapter, "--output-dir", merged).ExitCode, Is.Zero);
        var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(merged, "config.json"))).RootElement;
        Assert.That(config.GetProperty("problem_type").GetString(), Is.EqualTo("multi_label_classification"));
        Assert.That(config.GetProperty("id2label").GetProperty("1").GetString(), Is.EqualTo("sea"));

        double loss = run.Json.GetProperty("loss").GetDouble();
        string flags = _directory.Write("f.jsonl", """
            {"text": "a fine old ship", "labels": [1, 1]}
            {"text": "a dull and dirty street", "labels": [0, 0]}
            {"text": "an old house", "labels": [1.0, 0.0]}

            """);
        Assert.That(Eval(flags, "--adapter", _adapter).Json.GetProperty("loss").GetDouble(), Is.EqualTo(loss).Within(1e-6));
        var result = ToolRun.Of("eval", "--model", merged, "--data", data, "--json");
        Assert.That(result.Json.GetProperty("loss").GetDouble(), Is.EqualTo(loss).Within(2e-2), "the base is in BF16");
    }

    [Test]
    public void A_regression_learns_numbers_from_text()
    {
        string data = _directory.Write("r.jsonl", """
            {"text": "a fine old ship", "label": 1.5}
            {"text": "a dull and dirty street", "label": -2}
            {"text": "an old house", "label": 0.25}

            """);
        Train(data, "--problem-type", "regression");
        var run = Eval(data, "--adapter", _adapter);
        Assert.That(run.Json.EnumerateObject().Select(field => field.Name),
            Is.EqualTo(["loss", "targets", "pearson", "spearmanr", "mse"]));
        Assert.That(run.Json.GetProperty("mse").GetDouble(), Is.EqualTo(run.Json.GetProperty("loss").GetDouble()).Within(1e-5));

        string one = _directory.Write("o.jsonl", "{\"text\": \"an old house\", \"label\": 1}\n");
        var alone = Eval(one, "--adapter", _adapter);
        Assert.That(alone.Error, Does.Contain("pearson and spearmanr cannot be computed"));
        Assert.That(alone.Json.TryGetProperty("pearson", out _), Is.False);
        string classes = _directory.Write("c.jsonl", "{\"text\": \"an old house\", \"label\": \"good\"}\n");
        Assert.That(ToolRun.Of("eval", "--model", Bert, "--adapter", _adapter, "--data", classes).Error,
            Does.Contain("c.jsonl, line 1").And.Contain("expected a number"));
    }

    [Test]
    public void Pairs_of_similar_texts_train_embeddings()
    {
        string data = _directory.Write("p.jsonl", """
            {"text": "a fine old ship", "positive": "an old vessel"}
            {"text": "a dull street", "positive": "a grey road"}
            {"text": "an old house", "positive": "a cottage"}

            """);
        var train = ToolRun.Of("train", "--model", Bert, "--task", "feature-extraction", "--pooling", "cls", "--temperature", "0.1", "--data",
            data, "--learning-rate", "1e-2", "--max-steps", "3", "--output-dir", _adapter, "--json");
        Assert.That(train.ExitCode, Is.Zero, train.Error);

        var own = Eval(data, "--adapter", _adapter);
        Assert.That(own.Json.EnumerateObject().Select(field => field.Name), Is.EqualTo(["loss", "targets"]));
        Assert.That(own.Error, Does.Contain("over 3 pairs of texts"));
        var same = Eval(data, "--adapter", _adapter, "--pooling", "cls");
        Assert.That(same.Json.GetProperty("loss").GetDouble(), Is.EqualTo(own.Json.GetProperty("loss").GetDouble()), "the file says it");
        Assert.That(ToolRun.Of("eval", "--model", Bert, "--adapter", _adapter, "--pooling", "mean", "--data", data).Error,
            Does.Contain("the adapter was trained with cls, but --pooling is mean"));
    }

    [Test]
    public void Pooling_and_temperature_that_make_no_sense_are_refused()
    {
        string Refused(params string[] flags) => ToolRun.Of(["plan", .. flags]).Error;
        Assert.That(Refused("--model", Bundled.BaseLlama, "--task", "feature-extraction", "--pooling", "cls"),
            Does.Contain("the first token of a decoder attends to no other, so \"cls\" pooling says nothing of the text"));
        Assert.That(Refused("--model", Bert, "--pooling", "mean"), Does.Contain("the task is masked-lm; choose feature-extraction"));
        Assert.That(Refused("--model", Bert, "--temperature", "0.1"), Does.Contain("the task is masked-lm; choose feature-extraction"));
        Assert.That(Refused("--model", Bert, "--task", "feature-extraction", "--temperature", "0"), Does.Contain("expected a number above 0"));
    }

    [Test]
    public void All_parameters_train_load_and_merge()
    {
        string data = _directory.Write("c.jsonl", """
            {"text": "a fine old ship", "label": "good"}
            {"text": "a dull street", "label": "bad"}

            """);
        var train = Train(data, "--method", "full");
        Assert.That(train.Error, Does.Contain("trainable%: 50.0000"), "the base and its copy");
        double loss = Eval(data, "--adapter", _adapter).Json.GetProperty("loss").GetDouble();
        string merged = Path.Combine(_directory.FullPath, "m");
        Assert.That(ToolRun.Of("merge", "--model", Bert, "--adapter", _adapter, "--output-dir", merged).ExitCode, Is.Zero);
        var run = ToolRun.Of("eval", "--model", merged, "--data", data, "--json");
        Assert.That(run.Json.GetProperty("loss").GetDouble(), Is.EqualTo(loss).Within(3e-2), "the merged model is in BF16");
        Assert.That(ToolRun.Of("plan", "--model", Bert, "--method", "full", "--json").Json.GetProperty("trainable").GetInt64(),
            Is.GreaterThan(1_000_000));
    }

    [TestCase("regression")]
    [TestCase("multi_label_classification")]
    public void A_step_of_each_problem_takes_the_memory_that_is_planned(string problem)
    {
        var run = ToolRun.Of("bench", "step", "--model", Bert, "--task", "seq-cls", "--problem-type", problem, "--batch-size", "2",
            "--max-seq-length", "16", "--steps", "1", "--warmup", "1", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        long planned = run.Json.GetProperty("planned_bytes").GetInt64();
        Assert.That(run.Json.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(planned).Within(planned / 100));
    }

    [Test]
    public void Rows_that_contradict_the_problem_are_refused()
    {
        string one = _directory.Write("one.jsonl", """
            {"text": "a fine old ship", "label": "good"}
            {"text": "a dull street", "label": "bad"}

            """);
        string several = _directory.Write("several.jsonl", "{\"text\": \"a fine old ship\", \"labels\": [\"good\"]}\n");
        string Refused(string data, string problem) => ToolRun.Of("train", "--model", Bert, "--task", "seq-cls", "--problem-type", problem,
            "--data", data, "--output-dir", _adapter, "--max-steps", "1").Error;

        Assert.That(Refused(one, "multi_label_classification"), Does.Contain("one.jsonl, line 1: the row has \"text\" and \"label\", " +
            "expected {\"text\", \"labels\"} in every row"));
        Assert.That(Refused(several, "single_label_classification"), Does.Contain("several.jsonl, line 1: the row has \"text\" and " +
            "\"labels\", expected {\"text\", \"label\"} in every row"));
        Assert.That(Refused(one, "several"), Does.Contain("--problem-type is \"several\", expected single_label_classification"));
        Assert.That(ToolRun.Of("plan", "--model", Bert, "--task", "token-cls", "--problem-type", "regression").Error,
            Does.Contain("problem_type says what a classifier of texts learns, but the task is token-cls"));
    }

    private ToolRun Train(string data, params string[] flags)
    {
        var run = ToolRun.Of(["train", "--model", Bert, "--task", "seq-cls", "--data", data, "--learning-rate", "1e-2", "--max-steps", "3",
            "--output-dir", _adapter, "--json", .. flags]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run;
    }

    private static ToolRun Eval(string data, params string[] flags)
    {
        var run = ToolRun.Of(["eval", "--model", Bert, "--data", data, "--json", .. flags]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run;
    }
}

using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>--task: heads of other tasks than that of the base, their classes, and their errors.</summary>
public sealed class TaskVerbsTests
{
    private static readonly string Bert = Bundled.BaseBert;

    [Test]
    public void The_commands_of_the_page_about_tasks_run()
    {
        using var directory = new TemporaryDirectory();
        WriteData(directory);
        var commands = File.ReadLines(Path.Combine(Repository.Root, "docs", "tasks.md")).Where(line => line.StartsWith("peftcore ")).ToList();
        Assert.That(commands, Has.Count.GreaterThan(10));
        foreach (string command in commands)
        {
            var run = ToolRun.Of([.. command.Split(' ').Skip(1).Select(word => Resolved(directory, word)), "--json"]);
            Assert.That(run.ExitCode, Is.Zero, $"{command}: {run.Error}");
        }
    }

    [Test]
    public void An_adapter_and_its_base_score_as_the_trained_model_and_so_does_the_merged_one()
    {
        using var directory = new TemporaryDirectory();
        WriteData(directory);
        string data = Path.Combine(directory.FullPath, "reviews"), adapter = Path.Combine(directory.FullPath, "a");
        string merged = Path.Combine(directory.FullPath, "m");
        var trained = Train(data, adapter, "--seed", "7");
        double loss = trained.Json.GetProperty("eval_loss").GetDouble();

        Assert.That(LossOf(ToolRun.Of("eval", "--model", Bert, "--adapter", adapter, "--data", data, "--json")),
            Is.EqualTo(loss).Within(1e-6), "the pooler, which the base lacks, is saved too");
        Assert.That(ToolRun.Of("merge", "--model", Bert, "--adapter", adapter, "--output-dir", merged).ExitCode, Is.Zero);
        Assert.That(LossOf(ToolRun.Of("eval", "--model", merged, "--data", data, "--json")), Is.EqualTo(loss).Within(2e-2),
            "the base is in BF16");
    }

    [Test]
    public void A_head_that_the_adapter_holds_is_not_called_random()
    {
        using var directory = new TemporaryDirectory();
        WriteData(directory);
        string data = Path.Combine(directory.FullPath, "reviews"), adapter = Path.Combine(directory.FullPath, "a");
        Assert.That(Train(data, adapter).Error, Does.Contain("classifier.weight").And.Contain("they are random until they are trained"));

        Assert.That(ToolRun.Of("eval", "--model", Bert, "--adapter", adapter, "--data", data).Error, Does.Not.Contain("random"));
    }

    [Test]
    public void A_classifier_is_measured_by_its_metrics_and_not_by_a_perplexity()
    {
        using var directory = new TemporaryDirectory();
        WriteData(directory);
        string data = Path.Combine(directory.FullPath, "reviews"), adapter = Path.Combine(directory.FullPath, "a");
        Assert.That(Train(data, adapter).Error, Does.Contain("accuracy").And.Not.Contain("perplexity"));
        Assert.That(File.ReadAllText(Path.Combine(adapter, "training_log.jsonl")),
            Does.Contain("eval_accuracy").And.Not.Contain("perplexity"));
        var run = ToolRun.Of("eval", "--model", Bert, "--adapter", adapter, "--data", data, "--json");

        Assert.That(run.Json.EnumerateObject().Select(field => field.Name),
            Is.EqualTo(["loss", "targets", "accuracy", "f1", "matthews_correlation"]));
        Assert.That(run.Error, Does.Contain(", accuracy ").And.Contain("over 2 texts").And.Not.Contain("perplexity"));
        Assert.That(ToolRun.Of("eval", "--model", Bert, "--data", Path.Combine(directory.FullPath, "text.jsonl"), "--json").Json
            .TryGetProperty("perplexity", out _), "masked tokens have one");
    }

    [Test]
    public void A_merged_model_names_its_class_and_its_classes()
    {
        using var directory = new TemporaryDirectory();
        WriteData(directory);
        string adapter = Path.Combine(directory.FullPath, "a"), merged = Path.Combine(directory.FullPath, "m");
        Train(Path.Combine(directory.FullPath, "reviews"), adapter);
        ToolRun.Of("merge", "--model", Bert, "--adapter", adapter, "--output-dir", merged);

        var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(merged, "config.json"))).RootElement;
        Assert.That(config.GetProperty("architectures")[0].GetString(), Is.EqualTo("BertForSequenceClassification"));
        Assert.That(config.GetProperty("id2label").ToString(), Does.Contain("\"0\"").And.Contain("\"bad\""));
        Assert.That(config.GetProperty("label2id").GetProperty("good").GetInt32(), Is.EqualTo(1));
        Assert.That(config.GetProperty("problem_type").GetString(), Is.EqualTo("single_label_classification"));
    }

    [Test]
    public void Labels_are_matched_by_the_names_that_the_adapter_holds()
    {
        using var directory = new TemporaryDirectory();
        WriteData(directory);
        string adapter = Path.Combine(directory.FullPath, "a");
        Train(Path.Combine(directory.FullPath, "reviews"), adapter);
        double Accuracy(string rows) => ToolRun.Of("eval", "--model", Bert, "--adapter", adapter, "--data",
            directory.Write("e.jsonl", rows), "--json").Json.GetProperty("accuracy").GetDouble();

        double good = Accuracy("{\"text\": \"fine ship\", \"label\": \"good\"}\n");
        Assert.That(Accuracy("{\"text\": \"fine ship\", \"label\": \"bad\"}\n"), Is.EqualTo(1 - good));
        Assert.That(Accuracy("{\"text\": \"fine ship\", \"label\": 1}\n"), Is.EqualTo(good), "numbers are indices of the names");

        var unknown = ToolRun.Of("eval", "--model", Bert, "--adapter", adapter, "--data",
            directory.Write("u.jsonl", "{\"text\": \"fine ship\", \"label\": \"awful\"}\n"));
        Assert.That(unknown.ExitCode, Is.EqualTo(2));
        Assert.That(unknown.Error, Does.Contain("u.jsonl, line 1: the label \"awful\" is unknown, expected one of bad, good"));
    }

    [TestCase("seq-cls")]
    [TestCase("token-cls")]
    [TestCase("question-ans")]
    [TestCase("masked-lm")]
    [TestCase("feature-extraction")]
    public void A_step_of_each_task_takes_the_memory_that_is_planned(string task)
    {
        var run = ToolRun.Of("bench", "step", "--model", Bert, "--task", task, "--batch-size", "2", "--max-seq-length", "16", "--steps", "1",
            "--warmup", "1", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        long planned = run.Json.GetProperty("planned_bytes").GetInt64();
        Assert.That(run.Json.GetProperty("peak_bytes").GetInt64(), Is.EqualTo(planned).Within(planned / 100));
    }

    [TestCase("generate", "--prompt", "hi")]
    [TestCase("chat", "--temperature", "0")]
    public void An_encoder_writes_no_text(string verb, string flag, string value)
    {
        var run = ToolRun.Of(verb, "--model", Bert, flag, value);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("this bert model is for masked-lm and writes no text"));
    }

    [TestCase("causal-lm", "bert models cannot be loaded for causal-lm; choose masked-lm, seq-cls")]
    [TestCase("sequence", "--task is \"sequence\", expected causal-lm, seq2seq-lm")]
    public void A_task_that_the_model_lacks_is_refused(string task, string sentence)
    {
        var run = ToolRun.Of("plan", "--model", Bert, "--task", task);
        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [Test]
    public void More_tokens_than_positions_are_refused() =>
        Assert.That(ToolRun.Of("plan", "--model", Bert, "--task", "seq-cls", "--max-seq-length", "999").Error,
            Does.Contain("--max-seq-length is 999, but the model allows sequences of 256 tokens"));

    [Test]
    public void A_task_that_contradicts_the_adapter_is_refused()
    {
        using var directory = new TemporaryDirectory();
        WriteData(directory);
        string adapter = Path.Combine(directory.FullPath, "a"), data = Path.Combine(directory.FullPath, "reviews");
        Train(data, adapter);
        Assert.That(ToolRun.Of("eval", "--model", Bert, "--adapter", adapter, "--task", "token-cls", "--data", data).Error,
            Does.Contain("the adapter has a head for seq-cls, but --task token-cls is for token-cls"));
    }

    [Test]
    public void An_unknown_family_is_answered_with_the_near_ones()
    {
        using var directory = new TemporaryDirectory();
        string config = directory.Write("config.json", "{\"model_type\": \"robert\"}");
        Assert.That(ToolRun.Of("plan", "--config", config).Error, Does.Contain("did you mean roberta or bert or albert? Supported are")
            .And.Contain("ModelFamilies.Register adds a family"));
    }

    private static ToolRun Train(string data, string output, params string[] flags)
    {
        var run = ToolRun.Of(["train", "--model", Bert, "--task", "seq-cls", "--data", data, "--learning-rate", "1e-2", "--max-steps", "4",
            "--output-dir", output, "--json", .. flags]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run;
    }

    private static double LossOf(ToolRun run)
    {
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return run.Json.GetProperty("loss").GetDouble();
    }

    private static string Resolved(TemporaryDirectory directory, string word) => word.Trim('"') switch
    {
        "base-bert" => Bert,
        "base-llama" => Bundled.BaseLlama,
        "reviews" or "names.jsonl" or "questions.jsonl" or "text.jsonl" or "pairs.jsonl" or "topics.jsonl" => Path.Combine(directory.FullPath, word),
        var path when path.StartsWith("out/", StringComparison.Ordinal) => Path.Combine(directory.FullPath, path),
        var other => other,
    };

    private static void WriteData(TemporaryDirectory directory)
    {
        Directory.CreateDirectory(Path.Combine(directory.FullPath, "reviews"));
        directory.Write("reviews/train.jsonl", """
            {"text": "a fine old ship", "label": "good"}
            {"text": "a dull and dirty street", "label": "bad"}
            {"text": "what a happy day", "label": "good"}
            {"text": "the worst of all the books", "label": "bad"}

            """);
        directory.Write("reviews/valid.jsonl", """
            {"text": "a fine day", "label": "good"}
            {"text": "a dirty old ship", "label": "bad"}

            """);
        directory.Write("names.jsonl", """
            {"tokens": ["John", "Smith", "saw", "London"], "tags": ["B-PER", "I-PER", "O", "B-LOC"]}
            {"tokens": ["She", "went", "home"], "tags": ["O", "O", "O"]}

            """);
        directory.Write("questions.jsonl", """
            {"question": "Who saw the ship?", "context": "In the morning Mary saw the ship from the hill.", "answer": "Mary"}
            {"question": "Where was he?", "context": "He was in the garden.", "answer": "in the garden"}

            """);
        directory.Write("pairs.jsonl", """
            {"text": "a fine old ship", "positive": "an old vessel"}
            {"text": "a dull street", "positive": "a grey road"}

            """);
        directory.Write("topics.jsonl", """
            {"text": "a fine old ship", "labels": ["sea", "old"]}
            {"text": "a dull street", "labels": ["town"]}

            """);
        directory.Write("text.jsonl", """
            {"text": "It was the best of times, it was the worst of times."}
            {"text": "The ship came home in the morning."}

            """);
    }
}

using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The verbs with an encoder-decoder.</summary>
public sealed class Seq2SeqVerbsTests
{
    private const string Prompt = "On Tuesday at noon William is to have a swim with Aunt Jane at the lake.";

    [Test]
    public void Labels_train_and_are_scored_by_the_accuracy_of_written_ones()
    {
        using var directory = new TemporaryDirectory();
        string adapter = Path.Combine(directory.FullPath, "adapter"), data = Labelled(directory);
        var train = ToolRun.Of("train", "--json", "--model", Bundled.BaseT5, "--data", data, "--output-dir", adapter, "--num-epochs", "20",
            "--target-modules", "all-linear", "--learning-rate", "1e-2", "--max-target-length", "8");
        Assert.That(train.ExitCode, Is.Zero, train.Error);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")));
        Assert.That(config.RootElement.GetProperty("task_type").GetString(), Is.EqualTo("SEQ_2_SEQ_LM"));

        double before = Accuracy("--model", Bundled.BaseT5, "--data", data);
        double after = Accuracy("--model", Bundled.BaseT5, "--data", data, "--adapter", adapter);

        Assert.That(before, Is.Zero);
        Assert.That(after, Is.GreaterThan(0.5));
        var text = ToolRun.Of("generate", "--json", "--model", Bundled.BaseT5, "--adapter", adapter, "--prompt", "It was a dull day number 3.",
            "--max-new-tokens", "4").Json;
        Assert.That(text.GetProperty("text").GetString(), Is.EqualTo("good").Or.EqualTo("bad"));
    }

    [Test]
    public void A_source_text_gives_a_target_and_beams_give_several()
    {
        var greedy = ToolRun.Of("generate", "--json", "--model", Bundled.BaseT5, "--prompt", Prompt, "--max-new-tokens", "6").Json;
        var beams = ToolRun.Of("generate", "--json", "--model", Bundled.BaseT5, "--prompt", Prompt, "--max-new-tokens", "6", "--num-beams",
            "3", "--num-return-sequences", "2").Json;

        Assert.That(greedy.GetProperty("text").GetString(), Does.StartWith("Who: "));
        Assert.That(beams.GetProperty("text").GetString(), Does.StartWith("Who: "));
        Assert.That(beams.GetProperty("alternatives").GetArrayLength(), Is.EqualTo(1));
    }

    [TestCase("seq-cls", """{"text": "It was a dull day<|endoftext|>", "label": "bad"}""", """{"text": "A fine day<|endoftext|>", "label": "good"}""")]
    [TestCase("token-cls", """{"tokens": ["John", "saw", "London"], "tags": ["PER", "O", "LOC"]}""", """{"tokens": ["home"], "tags": ["O"]}""")]
    [TestCase("question-ans", """{"question": "Who?", "context": "Mary saw it.", "answer": "Mary"}""",
        """{"question": "Where?", "context": "In the garden.", "answer": "the garden"}""")]
    public void Other_heads_train_load_and_merge(string task, string first, string second)
    {
        using var directory = new TemporaryDirectory();
        string data = directory.Write("rows.jsonl", $"{first}\n{second}\n"), merged = Path.Combine(directory.FullPath, "m");
        string adapter = Path.Combine(directory.FullPath, "a");
        var train = ToolRun.Of("train", "--model", Bundled.BaseT5, "--task", task, "--data", data, "--output-dir", adapter, "--max-steps",
            "3", "--learning-rate", "1e-2");
        Assert.That(train.ExitCode, Is.Zero, train.Error);
        double Loss(params string[] flags)
        {
            var run = ToolRun.Of(["eval", "--json", "--data", data, .. flags]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Error, Does.Not.Contain("random"));
            return run.Json.GetProperty("loss").GetDouble();
        }
        double adapted = Loss("--model", Bundled.BaseT5, "--adapter", adapter);
        Assert.That(ToolRun.Of("merge", "--model", Bundled.BaseT5, "--adapter", adapter, "--output-dir", merged).ExitCode, Is.Zero);
        Assert.That(Loss("--model", merged), Is.EqualTo(adapted).Within(3e-2), "the base is in BF16");
    }

    [Test]
    public void A_plan_counts_source_and_target()
    {
        string[] plan = ["plan", "--json", "--model", Bundled.BaseT5, "--batch-size", "4", "--max-seq-length", "64"];
        var both = ToolRun.Of(plan).Json;
        var shorter = ToolRun.Of([.. plan, "--max-target-length", "16"]).Json;

        Assert.That(both.GetProperty("max_target_length").GetInt32(), Is.EqualTo(64));
        Assert.That(shorter.GetProperty("max_target_length").GetInt32(), Is.EqualTo(16));
        Assert.That(shorter.GetProperty("planned_bytes").GetInt64(), Is.LessThan(both.GetProperty("planned_bytes").GetInt64()));
    }

    [Test]
    public void What_belongs_to_another_kind_of_model_is_refused()
    {
        using var directory = new TemporaryDirectory();
        string data = Labelled(directory), output = Path.Combine(directory.FullPath, "out");
        var packed = ToolRun.Of("train", "--model", Bundled.BaseT5, "--data", data, "--output-dir", output, "--packing");
        var target = ToolRun.Of("plan", "--model", Bundled.BaseLlama, "--max-target-length", "16");

        Assert.That(packed.Error, Does.Contain("--packing puts several texts into one row, which models for seq2seq-lm cannot keep apart"));
        Assert.That(target.Error, Does.Contain("--max-target-length is 16, but this llama model is for causal-lm, which has no target texts"));
        Assert.That((packed.ExitCode, target.ExitCode), Is.Not.EqualTo((0, 0)));
    }

    private static string Labelled(TemporaryDirectory directory) => directory.Write("data.jsonl",
        string.Concat(Enumerable.Range(0, 16).Select(i =>
            $$"""{"text":"It was {{(i % 2 == 0 ? "a fine" : "a dull")}} day number {{i}}.","label":"{{(i % 2 == 0 ? "good" : "bad")}}"}""" + "\n")));

    private static double Accuracy(params string[] arguments) =>
        ToolRun.Of(["eval", "--json", .. arguments]).Json.GetProperty("accuracy").GetDouble();
}

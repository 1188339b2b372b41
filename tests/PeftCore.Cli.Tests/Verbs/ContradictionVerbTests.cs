using System.Text.Json.Nodes;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Model directories whose files contradict each other, through the verbs.</summary>
public sealed class ContradictionVerbTests
{
    private TemporaryDirectory _directory;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_head_of_its_own_is_loaded_shown_counted_and_merged_as_one()
    {
        string model = Copy(Bundled.Fixture("hf", "llama", "base"), config => config["tie_word_embeddings"] = true);
        string merged = Path.Combine(_directory.FullPath, "merged"), adapter = Bundled.Fixture("hf", "llama", "lora");

        var verify = ToolRun.Of("verify", "--json", model);
        var inspect = ToolRun.Of("inspect", "--json", model);
        var plan = ToolRun.Of("plan", "--json", "--model", model);
        var merge = ToolRun.Of("merge", "--json", "--model", model, "--adapter", adapter, "--output-dir", merged);

        Assert.That((verify.ExitCode, inspect.ExitCode, plan.ExitCode, merge.ExitCode), Is.EqualTo((0, 0, 0, 0)), verify.Error +
            merge.Error);
        Assert.That(verify.Json.GetProperty("passed").GetInt32(), Is.EqualTo(24));
        Assert.That(inspect.Json.GetProperty("tied_embeddings").GetBoolean(), Is.False);
        Assert.That(plan.Json.GetProperty("parameters").GetInt64() - plan.Json.GetProperty("trainable").GetInt64(), Is.EqualTo(23264));
        Assert.That(JsonNode.Parse(File.ReadAllText(Path.Combine(merged, "config.json")))!["tie_word_embeddings"]!.GetValue<bool>(),
            Is.False);
        foreach (var run in (ToolRun[])[verify, inspect, plan, merge])
        {
            Assert.That(run.Error.Split("warning: ").Length - 1, Is.EqualTo(1), run.Error);
            Assert.That(run.Error, Does.Contain("lm_head.weight").And.Contain("tie_word_embeddings"));
        }
        Assert.That(ToolRun.Of("inspect", "--json", merged).Error, Does.Not.Contain("warning"));
    }

    [Test]
    public void Scaling_beside_parameters_gives_the_scaled_loss_and_a_warning()
    {
        string data = _directory.Write("d.jsonl",
            """{"text": "Once upon a time there was a king who had three sons, and the youngest of them was a fool."}""" + "\n");
        string plain = Copy(Bundled.BaseLlama, _ => { });
        string both = Copy(Bundled.BaseLlama, config => config["rope_scaling"] = Linear());
        string old = Copy(Bundled.BaseLlama, config =>
        {
            config.Remove("rope_parameters");
            (config["rope_theta"], config["rope_scaling"]) = (10000.0, Linear());
        });
        string unknown = Copy(Bundled.BaseLlama, config => config["rope_scaling"] = new JsonObject { ["type"] = "cubic", ["factor"] = 2 });

        var scaled = Eval(both, data);
        var refused = Eval(unknown, data);

        Assert.That(Loss(scaled), Is.EqualTo(Loss(Eval(old, data))));
        Assert.That(Loss(scaled), Is.Not.EqualTo(Loss(Eval(plain, data))).Within(0.01));
        Assert.That(scaled.Error, Does.Contain("warning: ").And.Contain("rope_parameters").And.Contain("rope_scaling"));
        Assert.That((refused.ExitCode, refused.Error.Contains("\"rope_scaling.type\" is \"cubic\"", StringComparison.Ordinal)),
            Is.EqualTo((2, true)), refused.Error);
    }

    [Test]
    public void A_quantised_base_is_named_by_every_verb_that_loads_it()
    {
        string model = Copy(Bundled.BaseLlama, config => config["quantization_config"] = new JsonObject
        {
            ["quant_method"] = "gptq",
            ["bits"] = 5
        });
        string data = _directory.Write("d.jsonl", """{"text": "x"}""" + "\n"), output = Path.Combine(_directory.FullPath, "out");
        string[][] runs =
        [
            ["train", "--model", model, "--data", data, "--output-dir", output], ["eval", "--model", model, "--data", data],
            ["generate", "--model", model, "--prompt", "x"],
            ["merge", "--model", model, "--adapter", Bundled.Fixture("hf", "llama", "lora"), "--output-dir", output],
            ["plan", "--model", model],
            ["plan", "--config", Path.Combine(model, "config.json")], ["bench", "step", "--model", model],
        ];
        foreach (string[] arguments in runs)
        {
            var run = ToolRun.Of(arguments);
            Assert.That((run.ExitCode, run.Error.Trim().Split('\n').Length), Is.EqualTo((2, 1)), run.Error);
            Assert.That(run.Error, Does.Contain("quantised with gptq (5 bits), which is not supported").And.Contain("dequantize()"));
        }
        var inspect = ToolRun.Of("inspect", "--json", model);
        Assert.That(inspect.ExitCode, Is.Zero);
        Assert.That(inspect.Json.GetProperty("quantization").GetString(), Is.EqualTo("gptq (5 bits)"));
    }

    [Test]
    public void Two_values_of_one_field_are_bad_input()
    {
        string model = Copy(Bundled.BaseLlama, _ => { }), file = Path.Combine(model, "config.json");
        File.WriteAllText(file, File.ReadAllText(file).TrimEnd().TrimEnd('}') + """, "num_hidden_layers": 5}""");

        var run = ToolRun.Of("plan", "--model", model);

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain("field \"num_hidden_layers\" stands twice with different values, 6 and 5"));
    }

    private static JsonObject Linear() => new() { ["type"] = "linear", ["factor"] = 2 };

    private static ToolRun Eval(string model, string data) => ToolRun.Of("eval", "--json", "--model", model, "--data", data);

    private static double Loss(ToolRun run) => run.Json.GetProperty("loss").GetDouble();

    private string Copy(string source, Action<JsonObject> edit)
    {
        string copy = Directory.CreateDirectory(Path.Combine(_directory.FullPath, Path.GetRandomFileName())).FullName;
        foreach (string file in Directory.GetFiles(source))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }
        string path = Path.Combine(copy, "config.json");
        var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        edit(config);
        File.WriteAllText(path, config.ToJsonString());
        return copy;
    }
}

using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>docs/gguf.md: the commands of its run, with few steps; and export's sentences.</summary>
public sealed class GgufPageTests
{
    [Test]
    public void The_commands_of_the_run_train_on_a_gguf_base_and_export_the_adapter()
    {
        using var directory = new TemporaryDirectory();
        var commands = PageCommands.In("gguf.md", "## A run");
        Assert.That(commands, Has.Count.GreaterThanOrEqualTo(6));
        var results = commands.Select(command => PageCommands.Run(directory, command,
            word => word.StartsWith("out/", StringComparison.Ordinal))).ToList();
        string Out(params string[] names) => Path.Combine([directory.FullPath, "out", .. names]);
        var inspected = results[1].Json;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(inspected.GetProperty("architecture").GetString(), Is.EqualTo("LlamaForCausalLM"));
            Assert.That(inspected.GetProperty("tokenizer").GetBoolean(), Is.True);
            Assert.That(inspected.GetProperty("dtypes").GetProperty("Q8_0").GetInt64(), Is.GreaterThan(3_000_000));
            Assert.That(File.ReadAllText(Out("llama.cpp", "Modelfile")), Is.EqualTo($"FROM {Out("base.gguf")}\nADAPTER ./adapter.gguf\n"));
            Assert.That(JsonDocument.Parse(File.ReadAllText(Out("adapter", "adapter_config.json"))).RootElement
                .GetProperty("base_model_name_or_path").GetString(), Does.EndWith("base.gguf"));
            Assert.That(File.Exists(Out("merged", "tokenizer.json")));
        }
        var again = ToolRun.Of("eval", "--model", Out("merged"), "--data", Bundled.DemoData, "--json");
        Assert.That(again.ExitCode, Is.Zero, again.Error);
        Assert.That(again.Json.GetProperty("loss").GetDouble(), Is.EqualTo(results[3].Json.GetProperty("loss").GetDouble()).Within(0.02));
        var export = ToolRun.Of("export", "--adapter", Out("adapter"), "--output", Out("alone.gguf"));
        Assert.That(export.ExitCode, Is.Zero, export.Error);
        Assert.That(File.ReadAllBytes(Out("alone.gguf")), Is.EqualTo(File.ReadAllBytes(Out("llama.cpp", "adapter.gguf"))));
    }

    [Test]
    public void Bad_input_of_export_is_one_sentence()
    {
        using var directory = new TemporaryDirectory();
        string output = Path.Combine(directory.FullPath, "a.gguf"), model = Bundled.Fixture("hf", "llama", "base");
        Refused("expected --adapter DIR or --model DIR", "--output", output);
        Refused("\"onnx\" is no format", "--model", model, "--output", output, "--format", "onnx");
        Refused("choose f32, f16, bf16, q8_0", "--model", model, "--output", output, "--outtype", "q3");
        Refused("is IA3", "--model", model, "--adapter", Bundled.Fixture("hf", "llama", "ia3"), "--output", output);
        Refused("name its directory with --model", "--adapter", Bundled.Fixture("hf", "llama", "lora"), "--output", output);
        Assert.That(ToolRun.Of("export", "--model", model, "--output", output).ExitCode, Is.Zero);
        Refused("this is the model itself", "--model", output, "--output", output);
    }

    private static void Refused(string sentence, params string[] arguments)
    {
        var run = ToolRun.Of(["export", .. arguments]);
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((2, run.Error)));
        Assert.That(run.Error, Does.Contain(sentence));
    }
}

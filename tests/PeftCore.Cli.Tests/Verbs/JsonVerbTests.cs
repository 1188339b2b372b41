using System.Globalization;
using System.Text.Json;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The objects of --json: one on standard output, with numbers as numbers and lists as arrays.</summary>
public sealed class JsonVerbTests
{
    private static readonly string Llama = Bundled.BaseLlama;
    private static readonly string LlamaBase = Bundled.Fixture("hf", "llama", "base"), LlamaAdapter = Bundled.Fixture("hf", "llama", "lora");

    private static readonly string[] Calls =
    [
        "env", $"inspect {Llama}", $"inspect {LlamaAdapter}", "completion bash", $"plan --model {Llama} --batch-size 1 --max-seq-length 8",
        $"eval --model {Llama} --data {Bundled.DemoData} --max-seq-length 16", $"generate --model {Llama} --prompt A --max-new-tokens 3",
        $"generate --model {Llama} --prompt A --max-new-tokens 3 --num-beams 2 --num-return-sequences 2",
        $"chat --model {Llama} --chat-template chatml --max-new-tokens 2", $"verify {LlamaAdapter}",
        $"train --model {Llama} --data {Bundled.DemoData} --max-steps 1 --batch-size 1 --max-seq-length 16 --output-dir OUT",
        $"select --model {Llama} --criterion magnitude --output-dir OUT", $"merge --model {LlamaBase} --adapter {LlamaAdapter} --output-dir OUT",
        $"compare --model {Llama} --data {Bundled.DemoData} --methods ia3 --learning-rates 1e-3 --max-steps 1 --max-seq-length 16 --output-dir OUT",
        $"convert --adapter {LlamaAdapter} --output-dir OUT", $"convert --adapter {LlamaAdapter} --model {LlamaBase} --rank 2 --output-dir OUT",
        $"init --config {LlamaBase} --output-dir OUT", "demo --max-steps 2", "bench gemm --m 8 --n 8 --k 8",
        "bench attention --batch-size 1 --length 8 --heads 2 --head-dim 8",
        "bench moe --tokens 8 --hidden 16 --intermediate 8 --experts 2 --top-k 1",
        $"bench step --model {Llama} --batch-size 1 --max-seq-length 8 --steps 1 --warmup 0",
        $"bench generate --model {Llama} --prompt-length 4 --max-new-tokens 3 --runs 1 --warmup 0", $"bench load --model {Llama}",
        "inspect nowhere",
    ];

    [TestCaseSource(nameof(Calls))]
    public void Numbers_are_numbers_and_lists_are_arrays(string call)
    {
        using var directory = new TemporaryDirectory();
        string output = Path.Combine(directory.FullPath, "out");

        var run = ToolRun.Piped("Hi\n", [.. call.Replace("OUT", output).Split(' '), "--json"]);

        Assert.That(run.ExitCode, Is.AnyOf(0, 1, 2), run.Error);
        Assert.That(run.Output.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(run.Json.ValueKind, Is.EqualTo(JsonValueKind.Object));
        Assert.That(run.Json.TryGetProperty("error", out _), Is.EqualTo(call == "inspect nowhere"), run.Error);
        Check("", run.Json);
    }

    private static void Check(string name, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var field in value.EnumerateObject())
                {
                    Assert.That(field.Name, Does.Match("^[A-Za-z0-9_.]+$"));
                    Check(field.Name, field.Value);
                }
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    Check(name, item);
                }
                break;
            case JsonValueKind.String when name is not ("text" or "prompt" or "content" or "script"):
                string[] words = value.GetString()!.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries);
                Assert.That(words.All(word => double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
                    && words.Length > 0, Is.False, $"{name} is the text \"{value.GetString()}\"");
                break;
            default:
                break;
        }
    }
}

using System.Text.Json;
using System.Text.RegularExpressions;
using PeftCore.Backends;
using PeftCore.Cli.Explain;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Verbs;

public sealed class ExplainVerbTests
{
    private static readonly string Llama = Bundled.Fixture("hf", "llama", "base");

    private static readonly string[] Small = ["--model", Llama, "--batch-size", "2", "--max-seq-length", "8"];

    [Test]
    public void The_bundled_model_is_explained_when_none_is_given()
    {
        var run = ToolRun.Of("explain", "--batch-size", "2", "--max-seq-length", "16");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Output, Does.Contain("base-llama, lora: 32,256 of 3,254,208 parameters train; batch 2 × 16")
            .And.Contain("trains lora_A.default.weight, lora_B.default.weight")
            .And.Contain("needed for dA = hᵀ·x; shared by q_proj and v_proj; recomputed from what op 14 (rms_norm in " +
                "layers.1.input_layernorm) saves")
            .And.Contain("rows in embed_tokens: not recorded, none of its inputs needs a gradient")
            .And.Contain("layers.2 to layers.5: as layers.1 (ops 26 to 73)")
            .And.Contain("add in layers.0: input 0 comes from op 0 (rows in embed_tokens) and needs no gradient: " +
                "model.embed_tokens.weight below it is frozen")
            .And.Match(@"peak: \w+, op \d+ \(").And.Match(@"parameters that train +32,256 +3,221,952")
            .And.Match(@"lora  ▁[▁-█]+█?").And.Contain("as 0"));
    }

    [Test]
    public void Every_block_is_shown_on_request()
    {
        var run = ToolRun.Of(["explain", .. Small, "--all"]);

        Assert.That(run.Output, Does.Contain("linear in layers.1.mlp.down_proj: saves nothing").And.Not.Contain("as layers"));
    }

    [Test]
    public void With_checkpointing_it_says_what_backward_runs_again()
    {
        var run = ToolRun.Of(["explain", .. Small, "--gradient-checkpointing", "--gradient-accumulation-steps", "4"]);

        Assert.That(run.Output, Does.Contain("a step has 4 micro batches").And.Contain("what backward runs again")
            .And.Contain("needed for the second forward pass of the block")
            .And.Contain("it runs again in backward: with gradient checkpointing the block saves only its input")
            .And.Contain("before the step").And.Match("after forward of micro batch 2 "));
    }

    private static IEnumerable<string> Methods() => MethodSpec.Names;

    // What a method needs that has no default, or none that fits a layer of 32 columns.
    private static readonly Dictionary<string, string> Needed = new()
    {
        ["adalora"] = "total_step=100", ["shira"] = "r=4", ["fourierft"] = "n_frequency=50", ["vblora"] = "vector_length=16",
        ["c3a"] = "block_size=8", ["sparse"] = "criterion=random", ["trainable_tokens"] = "token_indices=[1,2]",
    };

    [Test]
    public void The_json_is_the_trace_of_a_real_step_op_by_op_and_byte_by_byte([ValueSource(nameof(Methods))] string method)
    {
        string model = method == "bitfit" ? Bundled.Fixture("hf", "gpt2", "base") : Llama; // Llama has no biases.
        var options = new TrainOptions { Model = model, Method = method, MethodOptions = Needed.GetValueOrDefault(method) };
        string[] needed = options.MethodOptions is { } fields ? ["--method-options", fields] : [];

        var run = ToolRun.Of(["explain", "--json", "--model", model, .. Small[2..], "--method", method, .. needed]);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var backend = new CpuBackend(1);
        var peft = new ModelSource(options, null).Build(backend);
        using var step = new AdapterStep(peft, new TrainerOptions { MaxGradNorm = options.MaxGradNorm });
        backend.Memory.ResetPeak();
        var trace = step.Trace([MemoryPlan.FullBatch(peft.Base, 2, 8)], 1e-4);
        var real = JsonDocument.Parse(ExplainReport.AddTo(new JsonReport(), trace).ToJson()).RootElement;
        using (Assert.EnterMultipleScope())
        {
            foreach (string part in (string[])["ops", "timeline", "modules", "stops"])
            {
                Assert.That(run.Json.GetProperty(part).EnumerateArray().Select(entry => entry.GetRawText()),
                    Is.EqualTo(real.GetProperty(part).EnumerateArray().Select(entry => entry.GetRawText())), part);
            }
            Assert.That(run.Json.GetProperty("peak").GetProperty("bytes").GetInt64(), Is.EqualTo(backend.Memory.PeakBytes));
        }
        peft.Base.Dispose();
    }

    [Test]
    public void The_json_agrees_with_the_plan_and_with_itself()
    {
        var plan = ToolRun.Of(["plan", "--json", .. Small]).Json;
        var json = ToolRun.Of(["explain", "--json", .. Small, "--compare-method", "lora[r=2,target_modules=\"all-linear\"]"]).Json;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Number(json, "planned_bytes"), Is.EqualTo(Number(plan, "planned_bytes")));
            foreach (var step in (JsonElement[])[json, json.GetProperty("full"), json.GetProperty("compared")])
            {
                var peak = step.GetProperty("peak");
                var timeline = step.GetProperty("timeline").EnumerateArray().ToList();
                Assert.That(Math.Max(Number(peak, "bytes"), Number(step, "loading_bytes")), Is.EqualTo(Number(step, "planned_bytes")));
                Assert.That(timeline.Max(entry => Sum(entry.GetProperty("highest"))), Is.EqualTo(Number(peak, "bytes")));
                Assert.That(timeline[(int)Number(peak, "at")].GetProperty("op").GetRawText(),
                    Is.EqualTo(peak.GetProperty("op").GetRawText()));
                Assert.That(step.GetProperty("ops").EnumerateArray().Sum(op => op.GetProperty("saved").EnumerateArray()
                    .Sum(saved => Number(saved, "bytes"))), Is.EqualTo(Number(step, "saved_bytes")));
            }
            Assert.That(json.GetProperty("full").GetProperty("stops").EnumerateArray(), Is.Empty);
            Assert.That(json.GetProperty("compared").GetProperty("method").GetString(), Does.StartWith("lora[r=2"));
            Assert.That(Number(json.GetProperty("full"), "trainable"), Is.GreaterThan(Number(json, "trainable")));
        }
    }

    [Test]
    public void Full_fine_tuning_has_nothing_beside_it_and_a_quantised_base_the_plain_one()
    {
        var full = ToolRun.Of(["explain", "--json", .. Small, "--method", "full"]).Json;
        var quantised = ToolRun.Of(["explain", "--json", .. Small, "--load-in-8bit"]).Json;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(full.GetProperty("no_full").GetString(), Is.EqualTo("the method is full fine-tuning itself"));
            Assert.That(full.TryGetProperty("full", out _), Is.False);
            Assert.That(quantised.GetProperty("modules").GetRawText(), Does.Contain("\"dtype\":\"quantized\""));
            Assert.That(quantised.GetProperty("full").GetProperty("modules").GetRawText(), Does.Not.Contain("quantized"));
        }
    }

    [TestCase("t5", "prefix_tuning")]
    [TestCase("whisper", "lora")]
    [TestCase("vit", "lora")]
    [TestCase("bert", "bitfit")]
    [TestCase("qwen3_moe", "lora")]
    [TestCase("wav2vec2_ctc", "lora")]
    public void Other_architectures_are_explained_as_well(string family, string method)
    {
        string model = Bundled.Fixture("hf", family, "base");

        var run = ToolRun.Of("explain", "--json", "--model", model, "--batch-size", "2", "--method", method);

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("ops").GetArrayLength(), Is.GreaterThan(20));
        Assert.That(run.Error, Does.Contain("parameters train; batch 2 ").And.Contain("where backward stops"));
    }

    [TestCase("--html", "/no/such/directory/page.html", "/no/such/directory/page.html: the file cannot be written")]
    [TestCase("--compare-method", "lroa", "lroa")]
    [TestCase("--compare-method", "lora[r=2", "\"lora[r=2\" is no method")]
    public void Bad_input_gets_one_sentence(string flag, string value, string sentence)
    {
        var run = ToolRun.Of(["explain", .. Small, flag, value]);

        Assert.That(run.ExitCode, Is.EqualTo(2));
        Assert.That(run.Error, Does.Contain(sentence));
    }

    [Test]
    public void The_page_loads_nothing_and_holds_the_report()
    {
        using var directory = new TemporaryDirectory();
        string page = Path.Combine(directory.FullPath, "page.html");
        var run = ToolRun.Of(["explain", "--json", .. Small, "--html", page]);
        string html = File.ReadAllText(page);
        string held = Regex.Match(html, "<script type=\"application/json\" id=\"report\">(.*?)</script>", RegexOptions.Singleline)
            .Groups[1].Value;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(html, Does.Not.Contain("http:").And.Not.Contain("https:").And.Not.Contain("src=").And.Not.Contain("url(")
                .And.Not.Contain("@import").And.Not.Contain("<link rel=\"stylesheet\"").And.Not.Contain("fetch("));
            Assert.That(html, Does.Not.Contain("/*styles*/").And.Not.Contain("/*script*/").And.Not.Contain("/*report*/"));
            Assert.That(JsonElement.DeepEquals(JsonDocument.Parse(held).RootElement, run.Json), "the page has the report of --json");
            Assert.That(html, Does.Contain("default-src 'none'").And.Contain("prefers-color-scheme: dark"));
        }
    }

    [Test]
    public void The_lines_of_the_page_in_docs_are_those_of_its_command()
    {
        const string Command = "explain --batch-size 4 --max-seq-length 128";
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "explain.md"));
        Assert.That(page, Does.Contain($"`peftcore {Command}`"));

        string[] printed = ToolRun.Of(Command.Split(' ')).Output.Split(Environment.NewLine);
        var shown = Regex.Matches(page, "```text\n(.*?)```", RegexOptions.Singleline).SelectMany(block => block.Groups[1].Value.Split('\n'))
            .Where(line => line.Length > 0).ToList();

        Assert.That(shown, Has.Count.GreaterThan(8));
        Assert.That(shown.Except(printed), Is.Empty);
    }

    private static long Number(JsonElement element, string name) => element.GetProperty(name).GetInt64();

    private static long Sum(JsonElement kinds) => kinds.EnumerateObject().Sum(kind => kind.Value.GetInt64());
}

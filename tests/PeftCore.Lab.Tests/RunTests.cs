using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using PeftCore.Backends;
using PeftCore.Cli;
using PeftCore.Cli.Output;
using PeftCore.Cli.Tests;
using PeftCore.Deployment.Tests;
using PeftCore.Lab.Engine;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Lab.Tests;

/// <summary>The numbers of a run: those of the engine, and the same again from each export.</summary>
public sealed class RunTests
{
    private const string Module = "model.layers.2.self_attn.v_proj";
    private const string Settings = """{"method": "lora", "size": 3, "alpha": 6, "targets": ["q_proj", "v_proj"], "seed": 5, "batch_size": 4}""";
    private const int Steps = 6;

    private OpenLab _lab = null!;
    private JsonElement _state;

    [OneTimeSetUp]
    public async Task Train()
    {
        _lab = new OpenLab();
        await _lab.Train("a", Settings, Steps);
        _state = (await _lab.State("a"))!.Value;
    }

    [OneTimeTearDown]
    public void Close() => _lab.Dispose();

    [Test]
    public void A_run_stays_within_its_plan_and_learns()
    {
        var records = _state.GetProperty("records").EnumerateArray().ToList();
        double[] held = [.. _state.GetProperty("evaluations").EnumerateArray().Select(each => each.GetProperty("held").GetDouble())];

        Assert.That(records.Select(record => record.GetProperty("peak").GetInt64()), Is.All.InRange(1, _state.GetProperty("plan").GetInt64()));
        Assert.That(records, Has.Count.EqualTo(Steps));
        Assert.That(held[^1], Is.LessThan(held[0]));
        foreach (var record in records)
        {
            double squares = record.GetProperty("layer_norms").EnumerateArray().Sum(norm => norm.GetDouble() * norm.GetDouble());
            Assert.That(Math.Sqrt(squares), Is.EqualTo(record.GetProperty("grad_norm").GetDouble()).Within(1e-5).Percent);
        }
    }

    [Test]
    public async Task Two_runs_with_one_seed_compute_the_same_numbers_side_by_side()
    {
        await _lab.Train("b", Settings, Steps);
        var other = (await _lab.State("b"))!.Value;
        await _lab.Ask("/api/close", """{"run": "b"}""");

        Assert.That(Numbers(other, "records", "loss"), Is.EqualTo(Numbers(_state, "records", "loss")));
        Assert.That(Numbers(other, "records", "grad_norm"), Is.EqualTo(Numbers(_state, "records", "grad_norm")));
        Assert.That(Numbers(other, "evaluations", "base"), Is.EqualTo(Numbers(_state, "evaluations", "base")));
    }

    [Test]
    public async Task The_exported_adapter_has_the_delta_that_is_drawn()
    {
        using var directory = new TemporaryDirectory();
        await Export("adapter", Path.Combine(directory.FullPath, "adapter.zip"));
        ZipFile.ExtractToDirectory(Path.Combine(directory.FullPath, "adapter.zip"), Path.Combine(directory.FullPath, "adapter"));
        var (_, drawn) = await _lab.Ask("/api/delta", $$"""{"run": "a", "module": "{{Module}}"}""");
        using var backend = new CpuBackend();
        var model = new PeftModel(ModelLoader.Load(Bundled.BaseLlama, backend));
        model.Load(Path.Combine(directory.FullPath, "adapter"));
        var (delta, values) = model.WeightUpdate(Module)!.Value;

        Assert.That(Doubles(drawn.GetProperty("singular_values")), Is.EqualTo(values));
        Assert.That(drawn.GetProperty("numerical_rank").GetInt32(), Is.EqualTo(3));
        Assert.That(drawn.GetProperty("effective_rank").GetDouble(), Is.InRange(1, 3 + 1e-4));
        Assert.That(drawn.GetProperty("norm").GetDouble(), Is.EqualTo(Math.Sqrt(delta.Sum(x => x * x))).Within(1e-9));
        // (96, 192) in 32 by 32 blocks of 3 by 6.
        double[][] cells = [.. drawn.GetProperty("cells").EnumerateArray().Select(Doubles)];
        Assert.That(cells, Has.Length.EqualTo(32));
        for (int i = 0; i < 32; i++)
        {
            for (int j = 0; j < 32; j++)
            {
                double sum = 0;
                for (int k = 0; k < 18; k++)
                {
                    double x = delta[(i * 3 + k / 6) * 192 + j * 6 + k % 6];
                    sum += x * x;
                }
                Assert.That(cells[i][j], Is.EqualTo(Math.Sqrt(sum / 18)).Within(1e-12));
            }
        }
    }

    [Test]
    public async Task A_layer_without_an_adapter_has_no_delta()
    {
        var (status, answer) = await _lab.Ask("/api/delta", """{"run": "a", "module": "model.layers.0.mlp.up_proj"}""");

        Assert.That(status, Is.EqualTo(200));
        Assert.That(answer.GetProperty("changes").GetBoolean(), Is.False);
    }

    [Test]
    public async Task The_exported_settings_train_to_the_same_losses()
    {
        using var directory = new TemporaryDirectory();
        await Export("settings", Path.Combine(directory.FullPath, "settings.json"));
        using var error = new StringWriter();
        int code = Tool.Run(["train", "-c", Path.Combine(directory.FullPath, "settings.json"), "--output-dir", Path.Combine(directory.FullPath, "run")],
            new Terminal(TextWriter.Null, error), CancellationToken.None);

        Assert.That(code, Is.Zero, error.ToString());
        double[] losses = [.. File.ReadLines(Path.Combine(Path.Combine(directory.FullPath, "run"), "training_log.jsonl")).Select(Parsed)
            .Where(row => row.TryGetProperty("loss", out _)).Select(row => row.GetProperty("loss").GetDouble())];
        Assert.That(losses, Is.EqualTo(Numbers(_state, "records", "loss")));
    }

    [Test]
    public async Task The_exported_lesson_prints_the_same_losses()
    {
        using var directory = new TemporaryDirectory();
        string file = Path.Combine(directory.FullPath, "lesson.cs");
        await Export("lesson", file);
        string text = File.ReadAllText(file);
        Assert.That(text, Does.StartWith($"#:package PeftCore@{Tool.ToolVersion}"));
        // The package of this version is not published while it is made: the project takes its place.
        string project = Path.Combine(Repository.Root, "src", "PeftCore", "PeftCore.csproj");
        File.WriteAllText(file, $"#:project {project}" + text[text.IndexOf('\n', StringComparison.Ordinal)..]);
        string[] lines = Command.Dotnet(Repository.Root, "run", "-c", "Release", file, Bundled.BaseLlama, Bundled.DemoData).Split('\n');
        double[] losses = [.. lines.Where(line => line.StartsWith("step ", StringComparison.Ordinal))
            .Select(line => double.Parse(line.Split("loss ")[1].Split(',')[0], NumberStyles.Float, CultureInfo.InvariantCulture))];

        Assert.That(losses, Is.EqualTo(Numbers(_state, "records", "loss")));
        Assert.That(lines, Has.Some.EqualTo($"held-out loss after: {Numbers(_state, "evaluations", "held")[^1]:R}"));
        Assert.That(text.Split('\n'), Has.Length.LessThan(150));
    }

    [Test]
    public async Task Attention_is_a_causal_distribution_over_the_tokens_of_the_prompt()
    {
        var (status, view) = await _lab.Ask("/api/attention", """{"run": "a", "layer": 3, "head": 4}""");
        double[][] cells = [.. view.GetProperty("cells").EnumerateArray().Select(Doubles)];
        string[] tokens = [.. view.GetProperty("queries").EnumerateArray().Select(text => text.GetString()!)];

        Assert.That(status, Is.EqualTo(200));
        Assert.That(string.Concat(tokens), Is.EqualTo(_state.GetProperty("prompt").GetString()));
        for (int query = 0; query < cells.Length; query++)
        {
            Assert.That(cells[query].Sum(), Is.EqualTo(1).Within(1e-5));
            Assert.That(cells[query].Skip(query + 1), Is.All.Zero);
        }
    }

    [Test]
    public async Task The_tensors_of_the_last_step_are_those_that_a_trace_names()
    {
        var (_, saved) = await _lab.Ask("/api/tensors", """{"run": "a"}""");
        var tensors = saved.GetProperty("tensors").EnumerateArray().ToList();
        int index = tensors.FindIndex(each => each.GetProperty("op").GetString() == "attention" && each.GetProperty("name").GetString() == "o");
        var (status, view) = await _lab.Ask("/api/tensor", $$"""{"run": "a", "index": {{index}}}""");
        double[][] cells = [.. view.GetProperty("cells").EnumerateArray().Select(Doubles)];

        Assert.That(saved.GetProperty("step").GetInt32(), Is.EqualTo(Steps));
        Assert.That(tensors.Sum(each => each.GetProperty("bytes").GetInt64()), Is.EqualTo(saved.GetProperty("bytes").GetInt64()));
        Assert.That(tensors.Where(each => each.GetProperty("reason").GetString()!.Length == 0), Is.Empty);
        Assert.That(status, Is.EqualTo(200));
        Assert.That(cells, Has.Length.EqualTo(32));
        Assert.That(view.GetProperty("rms").GetDouble(), Is.Positive);
        Assert.That(view.GetProperty("min").GetDouble(), Is.LessThan(view.GetProperty("max").GetDouble()));
    }

    [Test]
    public void Every_method_that_is_offered_trains()
    {
        var options = new LabOptions { Model = Bundled.BaseLlama, Data = Bundled.DemoData, Threads = 2 };
        var data = new LabData(options);
        var methods = LabMethod.For(options.Model);

        Assert.That(methods, Has.Count.GreaterThan(15));
        foreach (var method in methods)
        {
            using var run = new LabRun(options, data, method, new LabSettings { Method = method.Name, BatchSize = 1 });
            Assert.That(run.Step(trace: true).Loss, Is.Positive, method.Name);
            Assert.That(run.Saved!.Bytes, Is.Positive, method.Name);
        }
    }

    private async Task Export(string kind, string file)
    {
        using var answer = await _lab.Post("/api/export", $$"""{"run": "a", "kind": "{{kind}}"}""");
        Assert.That((int)answer.StatusCode, Is.EqualTo(200), await answer.Content.ReadAsStringAsync());
        Assert.That(answer.Content.Headers.ContentDisposition!.FileName, Does.Match(@"^""?lora-6-steps\.(zip|json|cs)""?$"));
        await File.WriteAllBytesAsync(file, await answer.Content.ReadAsByteArrayAsync());
    }

    private static double[] Numbers(JsonElement state, string list, string name) =>
        [.. state.GetProperty(list).EnumerateArray().Select(each => each.GetProperty(name).GetDouble())];

    private static double[] Doubles(JsonElement list) => [.. list.EnumerateArray().Select(value => value.GetDouble())];

    private static JsonElement Parsed(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}

using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using OpenQA.Selenium;

namespace PeftCore.Lab.Tests;

/// <summary>A session at the page, from opening it to the exports.</summary>
public sealed class PageTests : OpenPage
{
    private const string Module = "model.layers.1.self_attn.q_proj";

    [Test]
    public async Task A_hundred_steps_are_trained_paused_stepped_compared_and_exported()
    {
        // Opened: the token has left the address bar.
        Assert.That(Page.Address, Is.EqualTo($"http://127.0.0.1:{Lab.Url.Port}/"));

        // Trained 100 steps, as many as the field says.
        Page.Click("#a-train");
        Paused("a", 100);
        await DrawsWhatTheEngineGives("a");
        Assert.That(Line("#chart-memory", "planned"), Is.GreaterThanOrEqualTo(Line("#chart-memory", "measured peak")));
        Assert.That(Line("#chart-loss", "held-out"), Is.LessThan(1));
        Assert.That(Page.Find("#a-texts pre[data-step='100']").Text, Does.StartWith("Who:"));

        // Rank changed: a new run.
        Page.Type("#a-size", "3");
        Assert.That(Page.Find("#a-hint").Text, Does.Contain("start a new run"));
        Page.Type("#a-steps", "500");
        Page.Click("#a-train");
        Page.Until(() => Page.Find("#a-facts [data-fact='state'] b").Text == "training", "training");
        Assert.That(Page.Find("#a-train").Enabled, Is.False);

        // Paused.
        Page.Click("#a-pause");
        Page.Until(() => Page.Find("#a-facts [data-fact='state'] b").Text == "paused", "the pause");
        int steps = StepOf("a");
        Assert.That(steps, Is.InRange(1, 499));
        await DrawsWhatTheEngineGives("a");
        Assert.That(Page.Find("#a-ranks").GetAttribute("data-numerical"), Is.EqualTo("3"));

        // Stepped: one step, and the tensors that it saved.
        Page.Click("#a-step");
        Paused("a", steps + 1);
        await ShowsASavedTensor(steps + 1);

        // Compared, with the same seed and rows: with the same settings even with the same losses.
        Page.Click("#compare");
        Page.Type("#b-size", "3");
        Page.Type("#b-steps", $"{steps + 1}");
        Page.Click("#b-train");
        Paused("b", steps + 1);
        await DrawsWhatTheEngineGives("b");
        Assert.That(Line("#chart-loss", "B train"), Is.EqualTo(Line("#chart-loss", "A train")));

        // Exported.
        foreach (string kind in new[] { "adapter", "settings", "lesson" })
        {
            Page.Choose("#a-kind", kind);
            Page.Click("#a-export");
            string file = Path.Combine(Downloads, $"lora-{steps + 1}-steps.{(kind == "adapter" ? "zip" : kind == "settings" ? "json" : "cs")}");
            Page.Until(() => File.Exists(file), file);
        }
        using var archive = ZipFile.OpenRead(Directory.GetFiles(Downloads, "*.zip").Single());
        Assert.That(archive.Entries.Select(entry => entry.Name), Is.EquivalentTo(new[] { "adapter_config.json", "adapter_model.safetensors" }));

        // Removed again.
        Page.Click("#b-close");
        Page.Until(() => Page.All("#run-b").Count == 0 && Page.All("#b-delta").Count == 0, "the removal");
        Assert.That(Page.Complaints, Is.Empty);
    }

    private void Paused(string run, int step) => Page.Until(() =>
        Page.Find($"#{run}-facts [data-fact='state'] b").Text == "paused" && StepOf(run) == step, $"step {step} of run {run}");

    private int StepOf(string run) => int.Parse(Page.Find($"#{run}-facts [data-fact='step'] b").Text, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>The last value of a line of a chart.</summary>
    private double Line(string chart, string name) => Number(Page.Find($"{chart} path[data-series='{name}']"), "data-last");

    private static double Number(IWebElement element, string attribute) =>
        double.Parse(element.GetAttribute(attribute)!, NumberStyles.Float, CultureInfo.InvariantCulture);

    private async Task DrawsWhatTheEngineGives(string run)
    {
        var state = (await Lab.State(run))!.Value;
        var records = state.GetProperty("records").EnumerateArray().ToList();
        int step = records.Count;
        Page.Choose("#module", Module);
        Page.Until(() => Page.Find($"#{run}-ranks") is { } ranks && ranks.GetAttribute("data-module") == Module
            && ranks.GetAttribute("data-step") == $"{step}", "ΔW");
        var (_, delta) = await Lab.Ask("/api/delta", $$"""{"run": "{{run}}", "module": "{{Module}}"}""");
        Assert.That(Values($"#{run}-delta .cell"), Is.EqualTo(delta.GetProperty("cells").EnumerateArray().SelectMany(Doubles)));
        Assert.That(Values($"#{run}-spectrum .bar"), Is.EqualTo(Doubles(delta.GetProperty("singular_values")).Take(64)));
        Assert.That(Number(Page.Find($"#{run}-ranks"), "data-effective"), Is.EqualTo(delta.GetProperty("effective_rank").GetDouble()));
        Assert.That(Values($"#chart-norms .bar.{run}"), Is.EqualTo(Doubles(records[^1].GetProperty("layer_norms"))));
        var (_, attention) = await Lab.Ask("/api/attention", $$"""{"run": "{{run}}", "layer": 0, "head": 0}""");
        Page.Until(() => Page.Find($"#{run}-attention").GetAttribute("data-step") == $"{step}", "attention");
        Assert.That(Values($"#{run}-attention .cell"), Is.EqualTo(attention.GetProperty("cells").EnumerateArray().SelectMany(Doubles)));
        string title = Page.All("#run-b").Count > 0 ? run.ToUpperInvariant() + " " : "";
        Assert.That(Line("#chart-loss", title + "train"), Is.EqualTo(records[^1].GetProperty("loss").GetDouble()));
        var evaluations = state.GetProperty("evaluations").EnumerateArray().ToList();
        Assert.That(Line("#chart-loss", title + "held-out"), Is.EqualTo(evaluations[^1].GetProperty("held").GetDouble()));
        Assert.That(Line("#chart-forgetting", title + "loss on old books, change"),
            Is.EqualTo(evaluations[^1].GetProperty("base").GetDouble() - evaluations[0].GetProperty("base").GetDouble()));
    }

    private async Task ShowsASavedTensor(int step)
    {
        var button = Page.Find("#tensors [data-tensor='3']");
        Page.Until(() => Page.Find("#a-tensor-facts").Text.EndsWith($"in step {step}", StringComparison.Ordinal), "the tensors of the step");
        button = Page.Find("#tensors [data-tensor='3']");
        Page.Run("arguments[0].click()", button);
        var (_, view) = await Lab.Ask("/api/tensor", """{"run": "a", "index": 3}""");
        double[] cells = [.. view.GetProperty("cells").EnumerateArray().SelectMany(Doubles)];
        Page.Until(() => Page.All("#a-tensor .cell").Count == cells.Length, "the tensor");
        Assert.That(Values("#a-tensor .cell"), Is.EqualTo(cells));
    }

    private double[] Values(string selector) => [.. ((IReadOnlyCollection<object>)Page.Run(
        $"return [...document.querySelectorAll(\"{selector}\")].map(each => each.dataset.value)")!)
        .Select(value => double.Parse((string)value, NumberStyles.Float, CultureInfo.InvariantCulture))];

    private static double[] Doubles(JsonElement list) => [.. list.EnumerateArray().Select(value => value.GetDouble())];
}

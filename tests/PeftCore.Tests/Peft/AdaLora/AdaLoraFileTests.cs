using System.Text.Json.Nodes;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

public sealed class AdaLoraFileTests
{
    [TestCase(1e20)]
    [TestCase(-1e308)]
    [TestCase(16)]
    [TestCase(0.5)]
    public void A_number_is_saved_as_it_was_given_however_large(double alpha)
    {
        using var directory = new TemporaryDirectory();
        PeftConfig.Create("adalora", new JsonObject { ["lora_alpha"] = alpha, ["total_step"] = 100 }).Save(directory[PeftConfig.FileName]);

        Assert.That(JsonNode.Parse(File.ReadAllText(directory[PeftConfig.FileName]))!["lora_alpha"]!.GetValue<double>(), Is.EqualTo(alpha));
    }

    [Test]
    public void A_schedule_that_leaves_no_step_is_told_of_a_trained_adapter()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "adalora").With("total_step", "3");
        var warnings = new List<string>();

        bench.Model.Load(folder.Path, warnings: warnings);

        Assert.That(warnings, Has.Some.StartsWith(folder.ConfigPath).And.Contains("tinit 1 and tfinal 2 leave none of 3 steps"));
    }

    [Test]
    public void Alphas_for_some_layers_are_told_to_be_ignored()
    {
        using var bench = new Bench(Family.Llama);
        using var folder = new AdapterFolder("llama", "adalora").With("alpha_pattern", "{\"q_proj\": 16}");
        var warnings = new List<string>();

        bench.Model.Load(folder.Path, warnings: warnings);

        Assert.That(warnings, Has.Some.StartsWith(folder.ConfigPath).And.Contains("alpha_pattern is ignored"));
    }
}

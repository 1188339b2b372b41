using PeftCore.Cli.Tests;

namespace PeftCore.Server.Tests;

/// <summary>Adapters by model name.</summary>
public sealed class AdapterTests
{
    private static readonly string[] Names = ["a", "b", "c"];
    private static readonly string[] Prompts = ["The old man", "A dog", "She said that", "In the year"];

    private TemporaryDirectory _directory = null!;
    private Reference _reference = null!;

    [OneTimeSetUp]
    public void MakeAdapters()
    {
        _directory = new TemporaryDirectory();
        _reference = new Reference(_directory.FullPath, Names);
    }

    [OneTimeTearDown]
    public void Remove()
    {
        _reference.Dispose();
        _directory.Dispose();
    }

    [Test]
    public async Task An_adapter_is_loaded_when_a_request_first_names_it()
    {
        using var served = ServedTool.Start("--adapters-dir", _directory.FullPath);
        Assert.That(served.Log, Does.Not.Contain("is loaded"));

        Assert.That(await served.Complete("b", "The old man", Fields), Is.EqualTo(Text("b", "The old man")));
        Assert.That(served.Log, Does.Contain("adapter b is loaded").And.Not.Contain("adapter a is loaded"));
    }

    [Test]
    public async Task An_adapter_that_is_saved_while_the_server_runs_is_served()
    {
        using var directory = new TemporaryDirectory();
        using var served = ServedTool.Start("--adapters-dir", directory.FullPath);
        Assert.That((await served.Ask("/v1/completions", """{"model": "late", "prompt": "a"}""")).Status, Is.EqualTo(404));

        using var reference = new Reference(directory.FullPath, "late");
        Assert.That(await served.Complete("late", "A dog", Fields), Is.EqualTo(reference.Text("late", "A dog", Length)));
    }

    [TestCase(8)]
    [TestCase(1)]
    public async Task Parallel_requests_of_several_adapters_are_never_mixed(int mostLoaded)
    {
        using var served = ServedTool.Start("--adapters-dir", _directory.FullPath, "--max-loaded-adapters", $"{mostLoaded}");
        var asked = from round in Enumerable.Range(0, 3) from prompt in Prompts from name in Names.Prepend("base-llama") select (name, prompt);
        var answers = await Task.WhenAll(asked.Select(async each => (each.name, each.prompt,
            text: await served.Complete(each.name, each.prompt, Fields))));

        Assert.That(answers.Where(answer => answer.text != Text(answer.name, answer.prompt)), Is.Empty);
        Assert.That(Prompts.SelectMany(prompt => Names.Prepend("base-llama").Select(name => Text(name, prompt))).Distinct().Count(),
            Is.EqualTo(16), "every adapter writes another text");
    }

    [Test]
    public async Task An_adapter_that_replaces_parameters_of_the_base_is_served_beside_others()
    {
        using var directory = new TemporaryDirectory();
        using var reference = new Reference(directory.FullPath, "a", "b");
        reference.AddNorms(directory.FullPath, "norms");
        using var served = ServedTool.Start("--adapters-dir", directory.FullPath, "--max-loaded-adapters", "2");
        string[] names = ["a", "norms", "b", "base-llama"];
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).SelectMany(_ => names).Select(async name =>
            (name, text: await served.Complete(name, "The old man", Fields))));

        Assert.That(answers.Where(answer => answer.text !=
            reference.Text(answer.name == "base-llama" ? null : answer.name, "The old man", Length)), Is.Empty);
        Assert.That(answers.Select(answer => answer.text).Distinct().Count(), Is.EqualTo(4), "every model writes another text");
    }

    [Test]
    public async Task The_adapter_that_was_not_used_for_longest_makes_room()
    {
        using var served = ServedTool.Start("--adapters-dir", _directory.FullPath, "--max-loaded-adapters", "2");
        foreach (string name in new[] { "a", "b", "a", "c", "b" })
        {
            await served.Complete(name, "A dog", Fields);
        }
        string[] changes = [.. served.Log.Split('\n').Where(line => line.StartsWith("adapter ", StringComparison.Ordinal))
            .Select(line => line.Split(" from")[0])];

        Assert.That(changes, Is.EqualTo(new[]
        {
            "adapter a is loaded", "adapter b is loaded", "adapter b is unloaded", "adapter c is loaded", "adapter a is unloaded",
            "adapter b is loaded",
        }));
    }

    [Test]
    public async Task An_adapter_that_cannot_be_loaded_is_an_error_of_its_requests_alone()
    {
        using var directory = new TemporaryDirectory();
        Directory.CreateDirectory(Path.Combine(directory.FullPath, "broken"));
        directory.Write(Path.Combine("broken", "adapter_config.json"), "{}");
        using var served = ServedTool.Start("--adapters-dir", directory.FullPath);
        var (status, json) = await served.Ask("/v1/completions", """{"model": "broken", "prompt": "a"}""");

        Assert.That((status, json.GetProperty("error").GetProperty("message").GetString()),
            Is.EqualTo((500, "the adapter broken cannot be loaded; the server's log says why")));
        Assert.That(served.Log, Does.Contain("adapter broken cannot be loaded: "));
        Assert.That(await served.Complete("base-llama", "A dog", Fields), Is.EqualTo(Text("base-llama", "A dog")));
    }

    [Test]
    public void A_name_that_two_models_have_is_refused()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = Cli.Tool.Run(["serve", "--model", Bundled.BaseLlama, "--served-model-name", "a", "--adapters-dir", _directory.FullPath],
            new Cli.Output.Terminal(output, error), new CancellationToken(true));

        Assert.That((code, error.ToString().Contains("an adapter and the model are both called a")), Is.EqualTo((2, true)));
    }

    private const int Length = 12;

    private static string Fields => $"\"max_tokens\": {Length}, \"temperature\": 0";

    private string Text(string name, string prompt) => _reference.Text(name == "base-llama" ? null : name, prompt, Length);
}

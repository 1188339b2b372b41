using PeftCore.Bench;
using PeftCore.Cli.Tests;

namespace PeftCore.Server.Tests;

/// <summary>A short form of the load of <c>bench/PeftCore.Bench -- serve-load</c>.</summary>
public sealed class LoadTests
{
    private static readonly string[] Adapters = ["a", "b", "c"];

    [Test]
    public async Task Forty_streams_of_four_models_lose_and_mix_no_answer()
    {
        using var directory = new TemporaryDirectory();
        using var reference = new Reference(directory.FullPath, Adapters);
        LoadRequest[] requests = [.. from model in Adapters.Prepend("base-llama")
                                     from prompt in new[] { "The old man", "A dog", "She said that" }
                                     select new LoadRequest(model, prompt, 8, reference.Text(model == "base-llama" ? null : model, prompt, 8))];
        using var served = ServedTool.Start("--adapters-dir", directory.FullPath, "--max-loaded-adapters", "2");
        using var load = new StreamLoad(served.Url);

        var seen = await load.Run(requests, streams: 40, TimeSpan.FromSeconds(20), most: 160);

        Assert.That((seen.Answered, seen.Wrong, seen.Lost), Is.EqualTo((160, 0, 0)), seen.FirstProblem);
    }
}

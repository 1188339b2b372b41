using PeftCore.Cli.Options;

namespace PeftCore.Cli.Demo;

/// <summary>The settings of demo.</summary>
internal sealed record DemoOptions : VerbOptions
{
    [Setting("keep adapter, log and merged model here", Value = "DIR", Default = "nowhere: they are removed")]
    public string? OutputDir { get; init; }

    [Setting("steps of training", Min = 1)]
    public int MaxSteps { get; init; } = 250;

    [Setting("where to compute", Choices = ["cpu", "cuda", "ilgpu-cpu"])]
    public string Device { get; init; } = "cpu";

    [Setting("seed of every random choice")]
    public ulong Seed { get; init; } = 1;

    [Setting("CPU threads", Min = 0, Default = "all cores")]
    public int Threads { get; init; }
}

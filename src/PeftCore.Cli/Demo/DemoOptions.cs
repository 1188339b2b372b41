using PeftCore.Cli.Options;

namespace PeftCore.Cli.Demo;

/// <summary>The settings of demo.</summary>
internal sealed record DemoOptions : VerbOptions, ISettings<DemoOptions>
{
    public static SettingRows<DemoOptions> Rows { get; } = new SettingRows<DemoOptions>(() => new())
        .Text("output-dir", o => o.OutputDir, (o, v) => o with { OutputDir = v }, "keep adapter, log and merged model here", value: "DIR",
            fallback: "nowhere: they are removed")
        .Bool("vision", o => o.Vision, (o, v) => o with { Vision = v }, "show pictures instead of text: a vision transformer learns shapes")
        .Bool("documents", o => o.Documents, (o, v) => o with { Documents = v },
            "show documents instead of text: a LayoutLM learns to read invoices")
        .Whole("max-steps", o => o.MaxSteps, (o, v) => o with { MaxSteps = v }, "steps of training", min: 1,
            fallback: "250, with --vision 60, with --documents 150")
        .Text("device", o => o.Device, (o, v) => o with { Device = v }, "where to compute", choices: ["cpu", "cuda", "ilgpu-cpu"])
        .Seed(o => o.Seed, (o, v) => o with { Seed = v }, "seed of every random choice")
        .Whole("threads", o => o.Threads, (o, v) => o with { Threads = v }, "CPU threads", min: 0, fallback: "all cores");

    public string? OutputDir { get; init; }

    public bool Vision { get; init; }

    public bool Documents { get; init; }

    public int? MaxSteps { get; init; }

    public string Device { get; init; } = "cpu";

    public ulong Seed { get; init; } = 1;

    public int Threads { get; init; }
}

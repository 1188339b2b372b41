using PeftCore.Lab;

namespace PeftCore.Cli.Options;

/// <summary>The settings of lab.</summary>
internal sealed record LabPageOptions : VerbOptions, ISettings<LabPageOptions>
{
    public static SettingRows<LabPageOptions> Rows { get; } = new SettingRows<LabPageOptions>(() => new())
        .Group(HelpGroups.Serving)
        .Whole("port", o => o.Port, (o, v) => o with { Port = v }, "port of 127.0.0.1 to listen on; 0 for any free one", min: 0)
        .Bool("no-browser", o => o.NoBrowser, (o, v) => o with { NoBrowser = v }, "print the page's address, and open no browser")
        .Group(HelpGroups.Device)
        .Whole("threads", o => o.Threads, (o, v) => o with { Threads = v }, "CPU threads", min: 0, fallback: "all cores");

    public int Port { get; init; }

    public bool NoBrowser { get; init; }

    public int Threads { get; init; }

    /// <summary>The options of the lab.</summary>
    /// <param name="model">Directory of the model.</param>
    /// <param name="data">Directory of the data.</param>
    public LabOptions ToLab(string model, string data) => new()
    {
        Model = model,
        Data = data,
        Port = Port <= ushort.MaxValue ? Port : throw new BadInputException($"--port is {Port}, expected at most {ushort.MaxValue}."),
        Threads = Threads,
        Version = Tool.ToolVersion,
    };
}

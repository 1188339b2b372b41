using System.Runtime.CompilerServices;
using PeftCore.Cli.Demo;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Lab;

namespace PeftCore.Cli.Verbs;

/// <summary>Serves a page on 127.0.0.1 that trains the bundled model while one looks inside.</summary>
internal sealed class LabVerb : Verb
{
    private readonly Settings<LabPageOptions> _settings = new(SettingRules.Lab);

    public LabVerb() : base("lab", "Open a page that trains the bundled model while you look inside.") => _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var settings = _settings.Read(call);
        call.Note(call.Device != "cpu" ? $"--device {call.Device} has no effect on lab, which computes on the CPU." : null);
        AspNetCore.Require(Name);
        return Serve(settings, call);
    }

    // Not inlined: the runtime looks for ASP.NET Core's assemblies when it compiles a method that names their types.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static VerbResult Serve(LabPageOptions settings, Invocation call)
    {
        var log = call.Terminal.Verbose ? call.Terminal.Error : TextWriter.Null;
        var server = new LabServer(settings.ToLab(DemoRun.BaseModel, DemoRun.Data), log);
        string? url = null;
        var counts = server.Run(address =>
        {
            call.Say($"the lab is at {url = address}");
            call.Say("Ctrl-C ends it");
            call.Note(settings.NoBrowser || Browser.TryOpen(address) ? null : "no browser could be opened; open the address yourself.");
        }, call.Stop).GetAwaiter().GetResult();
        // The lab runs until it is told to stop: exit code 130 or 143 by the signal.
        return VerbResult.Failed(new JsonReport().Add("url", url).Add("requests", counts.Answered + counts.Failed)
            .Add("failed", counts.Failed));
    }
}

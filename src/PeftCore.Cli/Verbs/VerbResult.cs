using PeftCore.Cli.Output;

namespace PeftCore.Cli.Verbs;

/// <summary>How a verb ended, and the object that --json prints.</summary>
internal sealed record VerbResult(int ExitCode, JsonReport Report)
{
    public static VerbResult Done(JsonReport report) => new(Tool.Done, report);

    public static VerbResult Failed(JsonReport report) => new(Tool.Failed, report);
}

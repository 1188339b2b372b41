using PeftCore.Cli.Output;

namespace PeftCore.Cli.Verbs;

/// <summary>A verb's exit code and the object that --json prints.</summary>
internal sealed record VerbResult(int ExitCode, JsonReport Report)
{
    public static VerbResult Done(JsonReport report) => new(Tool.Done, report);

    public static VerbResult Failed(JsonReport report) => new(Tool.Failed, report);
}

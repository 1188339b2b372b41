using System.Text.Json;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests;

/// <summary>One run of the tool in this process, with its exit code and output.</summary>
internal sealed record ToolRun(int ExitCode, string Output, string Error)
{
    /// <summary>The one JSON object on standard output; fails if there is anything else.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public static ToolRun Of(params string[] args) => Of(CancellationToken.None, args);

    public static ToolRun Of(CancellationToken stop, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = Tool.Run(args, new Terminal(output, error), stop);
        return new ToolRun(code, output.ToString(), error.ToString());
    }
}

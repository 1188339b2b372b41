using System.Text.Json;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests;

/// <summary>One run of the tool in this process, with its exit code and output.</summary>
internal sealed record ToolRun(int ExitCode, string Output, string Error)
{
    /// <summary>The one JSON object on standard output; fails if there is anything else.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public static ToolRun Of(params string[] args) => Of(CancellationToken.None, args);

    public static ToolRun Of(CancellationToken stop, params string[] args) => Of(input: null, stop, args);

    /// <summary>Runs the tool with a text piped to its standard input.</summary>
    public static ToolRun Piped(string input, params string[] args)
    {
        using var reader = new StringReader(input);
        return Of(reader, CancellationToken.None, args);
    }

    private static ToolRun Of(TextReader? input, CancellationToken stop, string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var terminal = new Terminal(output, error) { Input = input ?? TextReader.Null, InputIsPiped = input is not null };
        int code = Tool.Run(args, terminal, stop);
        return new ToolRun(code, output.ToString(), error.ToString());
    }
}

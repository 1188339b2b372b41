using System.Diagnostics;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The tool in a separate process.</summary>
internal static class ToolProcess
{
    /// <summary>Starts the tool; its output is ignored.</summary>
    public static Process Start(params string[] call) => Start(_ => { }, call);

    /// <summary>Starts the tool.</summary>
    /// <param name="error">Receives each line of standard error.</param>
    /// <param name="call">The arguments.</param>
    public static Process Start(Action<string> error, params string[] call)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Tool).Assembly.Location, .. call])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true
        };
        var run = Process.Start(start)!;
        run.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
            {
                error(text);
            }
        };
        run.OutputDataReceived += (_, _) => { };
        run.BeginErrorReadLine();
        run.BeginOutputReadLine();
        return run;
    }
}

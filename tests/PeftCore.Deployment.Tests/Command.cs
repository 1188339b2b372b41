using System.Diagnostics;

namespace PeftCore.Deployment.Tests;

/// <summary>Runs programs and returns what they print.</summary>
internal static class Command
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(8);

    /// <summary>Runs a program in a directory, and returns its exit code and its output with errors after it.</summary>
    public static (int Code, string Output) Run(string directory, string program, string[] arguments,
        params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        // The test host's own variables would choose the runtime of the program.
        string[] ofHost = [.. start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase))];
        foreach (string name in ofHost)
        {
            start.Environment.Remove(name);
        }
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }
        using var run = Process.Start(start)!;
        var errors = run.StandardError.ReadToEndAsync();
        var output = run.StandardOutput.ReadToEndAsync();
        if (!run.WaitForExit(Limit))
        {
            run.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} took more than {Limit.TotalMinutes} minutes");
        }
        return (run.ExitCode, output.Result + errors.Result);
    }

    /// <summary>Runs a program that must succeed, and returns its output.</summary>
    public static string Ok(string directory, string program, string[] arguments,
        params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var (code, output) = Run(directory, program, arguments, environment);
        Assert.That(code, Is.Zero, $"{program} {string.Join(' ', arguments)}\n{output}");
        return output;
    }

    /// <summary>Runs the SDK. The test is skipped where a package is needed and no registry answers.</summary>
    public static string Dotnet(string directory, params string[] arguments)
    {
        var (code, output) = Run(directory, "dotnet", arguments, ("DOTNET_CLI_TELEMETRY_OPTOUT", "1"), ("MSBUILDDISABLENODEREUSE", "1"));
        Assume.That(code == 0 || !output.Contains("NU1301", StringComparison.Ordinal), "no package registry answers");
        Assert.That(code, Is.Zero, $"dotnet {string.Join(' ', arguments)}\n{output}");
        return output;
    }
}

using System.CommandLine;

namespace PeftCore.Cli.Options;

/// <summary>Options that every verb takes.</summary>
internal static class GlobalOptions
{
    public static Option<bool> Json { get; } = new("--json")
    {
        Description = "one JSON object on standard output and nothing else; text for people goes to standard error",
        Recursive = true,
    };

    public static Option<bool> Verbose { get; } = new("--verbose") { Description = "show where an error came from", Recursive = true };

    /// <summary>Replaces the parser's own version option, which prints the version of the host program.</summary>
    public static Option<bool> Version { get; } = new("--version") { Description = "show the version" };

    /// <summary>Values of --device; checked after parsing, so that the error is one of this tool's sentences.</summary>
    public static string[] Devices { get; } = ["cpu", "cuda", "ilgpu-cpu"];

    public static Option<string?> Device { get; } = new("--device")
    {
        Description = "where to compute: cpu, cuda, or ilgpu-cpu to check GPU kernels without a GPU [default: cpu]",
        HelpName = string.Join('|', Devices),
        Recursive = true,
    };
}

using System.CommandLine;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Options;

/// <summary>The option --task of verbs without a settings record.</summary>
internal static class TaskOption
{
    public static Option<string?> New() => new("--task")
    {
        Description = "what the model's head learns [default: as the adapter says, or the model's architecture]",
        HelpName = string.Join('|', TaskNames.All),
    };
}

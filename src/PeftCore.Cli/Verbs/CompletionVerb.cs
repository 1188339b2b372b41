using System.CommandLine;
using PeftCore.Cli.Completion;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Verbs;

/// <summary>Prints a script with which a shell completes verbs, flags and their values. It is made from the declarations of the
/// verbs.</summary>
internal sealed class CompletionVerb : Verb
{
    private static readonly string[] Shells = ["bash", "zsh", "pwsh"];

    private readonly Argument<string> _shell = new Argument<string>("SHELL") { Description = string.Join(", ", Shells) }
        .AcceptOnlyFromAmong(Shells);

    public CompletionVerb() : base("completion", "Print the script that lets a shell complete peftcore's verbs and flags.") => Add(_shell);

    public override bool Computes => false;

    public override VerbResult Run(Invocation call)
    {
        string shell = call.Value(_shell);
        var tables = CompletionTable.Of(call.Parse.RootCommandResult.Command);
        string script = shell switch
        {
            "bash" => BashCompletion.Script(tables),
            "zsh" => BashCompletion.ZshScript(tables),
            _ => PowerShellCompletion.Script(tables),
        };
        if (!call.Terminal.Json)
        {
            call.Terminal.Output.Write(script);
        }
        return VerbResult.Done(new JsonReport().Add("shell", shell).Add("script", script));
    }
}

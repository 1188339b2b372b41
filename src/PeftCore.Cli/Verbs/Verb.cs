using System.CommandLine;

namespace PeftCore.Cli.Verbs;

/// <summary>One verb, one file. Its constructor declares arguments and options; <see cref="Run"/> does the work.</summary>
internal abstract class Verb(string name, string description) : Command(name, description)
{
    /// <summary>Whether it computes anything on a device.</summary>
    public virtual bool Computes => true;

    /// <summary>Throw <see cref="BadInputException"/> for bad input; return <see cref="VerbResult.Failed"/> when it ran and a check did not
    /// hold.</summary>
    public abstract VerbResult Run(Invocation call);
}

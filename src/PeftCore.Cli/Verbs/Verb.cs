using System.CommandLine;

namespace PeftCore.Cli.Verbs;

/// <summary>One verb, one file. Its constructor declares arguments and options; <see cref="Run"/> does the work.</summary>
internal abstract class Verb(string name, string description) : Command(name, description)
{
    /// <summary>Whether the verb computes on a device.</summary>
    public virtual bool Computes => true;

    /// <summary>Runs the verb. An override throws <see cref="BadInputException"/> for bad input and returns <see cref="VerbResult.Failed"/>
    /// if a check fails.</summary>
    public abstract VerbResult Run(Invocation call);
}

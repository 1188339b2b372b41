using System.CommandLine;
using PeftCore.Cli.Options;

namespace PeftCore.Cli.Verbs;

/// <summary>One verb, one file. Its constructor declares arguments and options; <see cref="Run"/> does the work.</summary>
internal abstract class Verb(string name, string description) : Command(name, description)
{
    /// <summary>Whether the verb computes on a device.</summary>
    public virtual bool Computes => true;

    /// <summary>The headings of --help with the options below each, in the order in which they were added.</summary>
    public OrderedDictionary<string, List<Option>> Groups { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds an option, listed under a heading of --help.</summary>
    public void Add(Option option, string group)
    {
        base.Add(option);
        if (!Groups.TryGetValue(group, out var options))
        {
            Groups.Add(group, options = []);
        }
        options.Add(option);
    }

    /// <summary>Adds an option to the group of those without a heading of their own.</summary>
    public new void Add(Option option) => Add(option, HelpGroups.Other);

    /// <summary>Runs the verb. An override throws <see cref="BadInputException"/> for bad input and returns <see cref="VerbResult.Failed"/>
    /// if a check fails.</summary>
    public abstract VerbResult Run(Invocation call);
}

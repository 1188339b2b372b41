using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Verbs;

/// <summary>One call of a verb: parsed arguments, terminal, cancellation.</summary>
internal sealed record Invocation(ParseResult Parse, Terminal Terminal, CancellationToken Stop)
{
    /// <summary>cpu, cuda or ilgpu-cpu.</summary>
    public string Device => Value(GlobalOptions.Device) ?? "cpu";

    public T? Value<T>(Option<T> option) => Parse.GetValue(option);

    public T Value<T>(Argument<T> argument) => Parse.GetRequiredValue(argument);

    /// <summary>Whether the user gave an option.</summary>
    public bool IsGiven(Option option) => Parse.GetResult(option) is System.CommandLine.Parsing.OptionResult { Implicit: false };

    /// <summary>Prints a warning; null prints nothing.</summary>
    public void Note(string? sentence)
    {
        if (sentence is not null)
        {
            Terminal.Note(sentence);
        }
    }

    /// <summary>Prints a table for people.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="hasHeader">Whether the first row is the header.</param>
    /// <param name="right">Numbers of the columns that are right-aligned.</param>
    public void Table(IReadOnlyList<string[]> rows, bool hasHeader, params int[] right) => Terminal.Table(rows, hasHeader, right);

    /// <summary>Prints a line for people.</summary>
    public void Say(string line = "") => Terminal.Say(line);
}

using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Verbs;

/// <summary>What a verb is called with.</summary>
internal sealed record Invocation(ParseResult Parse, Terminal Terminal, CancellationToken Stop)
{
    /// <summary>cpu, cuda or ilgpu-cpu.</summary>
    public string Device => Value(GlobalOptions.Device) ?? "cpu";

    public T? Value<T>(Option<T> option) => Parse.GetValue(option);

    public T Value<T>(Argument<T> argument) => Parse.GetRequiredValue(argument);

    /// <summary>Whether an option was written.</summary>
    public bool IsGiven(Option option) => Parse.GetResult(option) is System.CommandLine.Parsing.OptionResult { Implicit: false };

    /// <summary>A warning, if there is one.</summary>
    public void Note(string? sentence)
    {
        if (sentence is not null)
        {
            Terminal.Note(sentence);
        }
    }

    /// <summary>A line for people.</summary>
    public void Say(string line = "") => Terminal.Say(line);
}

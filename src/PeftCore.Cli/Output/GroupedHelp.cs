using System.CommandLine;
using System.CommandLine.Invocation;
using PeftCore.Cli.Completion;
using PeftCore.Cli.Options;
using PeftCore.Cli.Verbs;

namespace PeftCore.Cli.Output;

/// <summary>--help: the verbs by purpose, or the options of a verb under their headings.</summary>
/// <param name="verbs">The verbs of the root command by purpose.</param>
/// <param name="width">Columns of the terminal.</param>
internal sealed class GroupedHelp((string Purpose, Command[] Verbs)[] verbs, int width) : SynchronousCommandLineAction
{
    private const int LeftColumn = 34, LeastRightColumn = 30;

    public override int Invoke(ParseResult parseResult)
    {
        var (command, root) = (parseResult.CommandResult.Command, parseResult.RootCommandResult.Command);
        var output = parseResult.InvocationConfiguration.Output;
        string path = ParseProblems.Path(parseResult.CommandResult);
        foreach (string part in Wrapped(command.Description ?? "", width - 1))
        {
            output.WriteLine(part);
        }
        output.WriteLine();
        output.WriteLine($"usage: {Usage(command, path)}");
        foreach (var (heading, rows) in Sections(command, root))
        {
            output.WriteLine();
            output.WriteLine(heading);
            foreach (var (left, right) in rows)
            {
                Write(output, left, right);
            }
        }
        if (command.Subcommands.Count > 0)
        {
            output.WriteLine();
            output.WriteLine($"\"{path} VERB --help\" explains a verb.");
        }
        return Tool.Done;
    }

    /// <summary>The sections of a command's help: verbs by purpose, arguments, options under their headings.</summary>
    internal IEnumerable<(string Heading, IEnumerable<(string Left, string Right)> Rows)> Sections(Command command, Command root)
    {
        if (command == root)
        {
            foreach (var (purpose, group) in verbs)
            {
                yield return (purpose, group.Select(Row));
            }
        }
        else if (command.Subcommands.Count > 0)
        {
            yield return ("Verbs", command.Subcommands.Select(Row));
        }
        if (command.Arguments.Count > 0)
        {
            yield return ("Arguments", command.Arguments.Select(argument => (NameOf(argument), argument.Description ?? "")));
        }
        var groups = command is Verb verb ? verb.Groups : [];
        foreach (var (heading, options) in groups.Where(group => group.Key != HelpGroups.Everywhere))
        {
            yield return (heading, options.Select(Row));
        }
        IEnumerable<Option> everywhere = groups.TryGetValue(HelpGroups.Everywhere, out var own) ? own : [];
        yield return (HelpGroups.Everywhere,
            everywhere.Concat(root.Options.Where(option => command == root || option.Recursive)).Select(Row));
    }

    /// <summary>"peftcore verify DIR… [options]".</summary>
    internal static string Usage(Command command, string path) => path + (command.Subcommands.Count > 0 ? " VERB" : "")
        + string.Concat(command.Arguments.Select(argument => " " + NameOf(argument))) + " [options]";

    private static (string Left, string Right) Row(Command verb) => (verb.Name, verb.Description ?? "");

    /// <summary>"-c, --settings FILE" and what it does. Further long names are at the end of the description.</summary>
    private static (string Left, string Right) Row(Option option)
    {
        bool isFlag = option.ValueType == typeof(bool);
        string[] longNames = [.. option.Aliases.Prepend(option.Name).Where(IsLong).Distinct()];
        string names = string.Join(", ", [.. option.Aliases.Where(name => !IsLong(name) && CompletionTable.IsTyped(name)), longNames[0]]);
        string also = longNames.Length > 1 ? $" [also {string.Join(", ", longNames[1..])}]" : "";
        return (isFlag || option.HelpName is null ? names : $"{names} {option.HelpName}",
            option.Description + (option.Required ? " [required]" : "") + also);
    }

    private static bool IsLong(string name) => name.StartsWith("--", StringComparison.Ordinal);

    private static string NameOf(Argument argument) =>
        (argument.HelpName ?? argument.Name) + (argument.Arity.MaximumNumberOfValues > 1 ? "…" : "");

    private void Write(TextWriter output, string left, string right)
    {
        string line = "  " + left;
        if (line.Length > LeftColumn - 2)
        {
            output.WriteLine(line);
            line = "";
        }
        foreach (string part in Wrapped(right, Math.Max(LeastRightColumn, width - LeftColumn - 1)))
        {
            output.WriteLine(line.PadRight(LeftColumn) + part);
            line = "";
        }
    }

    private static IEnumerable<string> Wrapped(string text, int columns)
    {
        string line = "";
        foreach (string word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > columns)
            {
                yield return line;
                line = "";
            }
            line = line.Length == 0 ? word : line + " " + word;
        }
        yield return line;
    }
}

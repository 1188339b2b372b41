using System.CommandLine;
using System.CommandLine.Parsing;
using PeftCore.Cli.Options;

namespace PeftCore.Cli;

/// <summary>Finds the error of a command line and names the fix in one sentence.</summary>
internal static class ParseProblems
{
    /// <exception cref="BadInputException">The command line cannot be carried out.</exception>
    public static void Refuse(ParseResult parse)
    {
        var command = parse.CommandResult.Command;
        string path = Path(parse.CommandResult);
        string help = $" (\"{path} --help\" lists what there is)";

        // The parser may take an unknown option for the value of an argument or of the option before it.
        string[] options = [.. OptionNames(parse.CommandResult)];
        if (parse.UnmatchedTokens.Concat(Positional(parse)).FirstOrDefault(IsOption) is { } unknown)
        {
            throw new BadInputException($"{path} has no option {Name(unknown)}{Spelling.DidYouMean(Name(unknown), options)}{help}");
        }

        if (Values(parse).FirstOrDefault(pair => IsOption(pair.Value)
            && options.Any(known => Spelling.Distance(known, pair.Value) <= 2)) is { Value: { } swallowed } pair)
        {
            throw new BadInputException(
                $"{pair.Option} has no value, for {swallowed} looks like an option{Spelling.DidYouMean(swallowed, options)}{help}");
        }

        if (command is not Verbs.Verb && parse.UnmatchedTokens.FirstOrDefault() is { } verb)
        {
            throw new BadInputException(
                $"there is no verb {verb}{Spelling.DidYouMean(verb, command.Subcommands.Select(known => known.Name))}{help}");
        }

        if (parse.UnmatchedTokens.FirstOrDefault() is { } surplus)
        {
            throw new BadInputException($"{path} takes no further argument, found \"{surplus}\"{help}");
        }

        if (parse.Errors.Count > 0)
        {
            throw new BadInputException($"{parse.Errors[0].Message.TrimEnd('.')}{help}");
        }

        if (Values(parse).FirstOrDefault(pair => pair.Value.Length == 0 && pair.HoldsPath) is { Option: { } empty })
        {
            throw new BadInputException($"{empty} is empty, expected a file or directory{help}");
        }

        if (parse.GetValue(GlobalOptions.Device) is { } device && !GlobalOptions.Devices.Contains(device))
        {
            throw new BadInputException(
                $"--device is \"{device}\", expected {string.Join(", ", GlobalOptions.Devices[..^1])} or {GlobalOptions.Devices[^1]}.");
        }
    }

    private static bool IsOption(string token) => token.Length > 2 && token.StartsWith("--", StringComparison.Ordinal)
        && char.IsAsciiLetter(token[2]);

    private static string Name(string token) => token.Split('=')[0];

    private static IEnumerable<string> Positional(ParseResult parse) =>
        parse.CommandResult.Children.OfType<ArgumentResult>().SelectMany(result => result.Tokens).Select(token => token.Value);

    private static IEnumerable<(string Option, string Value, bool HoldsPath)> Values(ParseResult parse) =>
        from result in parse.CommandResult.Children.OfType<OptionResult>()
        from token in result.Tokens
        select (result.Option.Name, token.Value, result.Option.HelpName is { } help && (help.Contains("DIR") || help.Contains("FILE")));

    private static IEnumerable<string> OptionNames(CommandResult? result)
    {
        var own = result!.Command.Options.SelectMany(option => option.Aliases.Prepend(option.Name)).Where(IsOption);
        return result.Parent is CommandResult parent
            ? own.Concat(parent.Command.Options.Where(option => option.Recursive).Select(option => option.Name))
            : own;
    }

    /// <summary>The words of a command, such as "peftcore bench step".</summary>
    public static string Path(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{Path(parent)} {result.Command.Name}" : result.Command.Name;
}

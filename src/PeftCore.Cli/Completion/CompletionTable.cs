using System.CommandLine;
using System.CommandLine.Completions;

namespace PeftCore.Cli.Completion;

/// <summary>The values that a shell offers after an option, or as an argument of a verb.</summary>
/// <param name="Words">Fixed words, in order.</param>
/// <param name="Files">Whether a file is a value.</param>
/// <param name="Directories">Whether a directory is a value.</param>
internal sealed record CompletionValues(IReadOnlyList<string> Words, bool Files, bool Directories)
{
    /// <summary>The values of an option or argument, from its declaration: the words it accepts, and those in its placeholder, such as
    /// f32|bf16, where FILE and DIR stand for paths.</summary>
    public static CompletionValues Of(Symbol symbol, string? placeholder)
    {
        string[] shown = placeholder?.Split('|') ?? [];
        string[] words = [.. symbol.GetCompletions(CompletionContext.Empty).Select(item => item.Label), .. shown.Where(IsWord)];
        return new CompletionValues([.. words.Distinct(StringComparer.Ordinal)],
            Files: shown.Any(part => part.StartsWith("FILE", StringComparison.Ordinal)),
            Directories: shown.Any(part => part.StartsWith("DIR", StringComparison.Ordinal)));
    }

    private static bool IsWord(string part) =>
        part.Length > 1 && part.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');
}

/// <summary>An option as a shell completes it.</summary>
/// <param name="Names">Its name and aliases.</param>
/// <param name="Values">Its values; null for a flag, which is complete without one.</param>
internal sealed record CompletionOption(IReadOnlyList<string> Names, CompletionValues? Values);

/// <summary>A command as a shell completes it.</summary>
/// <param name="Path">The words after the program's name, such as "bench step"; empty for the program itself.</param>
/// <param name="Verbs">The names of its subcommands.</param>
/// <param name="Options">Its options, those of every verb included.</param>
/// <param name="Arguments">The values of its arguments; null if it takes none.</param>
internal sealed record CompletionTable(string Path, IReadOnlyList<string> Verbs, IReadOnlyList<CompletionOption> Options,
    CompletionValues? Arguments)
{
    /// <summary>The tables of a program and of all commands below it, from their declarations.</summary>
    public static IReadOnlyList<CompletionTable> Of(Command root) => [.. Below(root, "", [])];

    private static IEnumerable<CompletionTable> Below(Command command, string path, IReadOnlyList<Option> inherited)
    {
        yield return new CompletionTable(path, [.. command.Subcommands.Select(verb => verb.Name)],
            [.. command.Options.Concat(inherited).Select(Of)],
            command.Arguments.Count == 0 ? null : CompletionValues.Of(command.Arguments[0],
                command.Arguments[0].HelpName ?? command.Arguments[0].Name));
        Option[] further = [.. inherited, .. command.Options.Where(option => option.Recursive)];
        foreach (var verb in command.Subcommands)
        {
            foreach (var table in Below(verb, $"{path} {verb.Name}".Trim(), further))
            {
                yield return table;
            }
        }
    }

    private static CompletionOption Of(Option option) => new([.. option.Aliases.Prepend(option.Name).Where(IsTyped).Distinct()],
        option.ValueType == typeof(bool) || option.Arity.MaximumNumberOfValues == 0 ? null
            : CompletionValues.Of(option, option.HelpName));

    /// <summary>Whether a name is a dash and a letter, or two dashes; the parser knows /h and -? too.</summary>
    public static bool IsTyped(string name) => name.StartsWith("--", StringComparison.Ordinal)
        || (name is ['-', var letter] && char.IsAsciiLetter(letter));
}

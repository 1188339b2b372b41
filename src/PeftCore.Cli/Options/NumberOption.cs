using System.CommandLine;
using System.CommandLine.Parsing;

namespace PeftCore.Cli.Options;

/// <summary>Integer options of verbs without a settings record. They parse numbers like settings.</summary>
internal static class NumberOption
{
    /// <summary>An integer with a default.</summary>
    public static Option<int> Whole(string name, string description, int fallback, int min = 1) => new(name)
    {
        Description = $"{description} [default: {fallback}]",
        HelpName = "N",
        DefaultValueFactory = _ => fallback,
        CustomParser = result => Read(result, name, min),
    };

    /// <summary>An integer that may be left out.</summary>
    public static Option<int?> WholeOrNone(string name, string description, int min = 1, params string[] aliases) => new(name, aliases)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => Read(result, name, min),
    };

    private static int Read(ArgumentResult result, string name, int min)
    {
        string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        return NumberText.TryWhole(text, out int value) && value >= min ? value
            : throw new BadInputException($"{name} is \"{text}\", expected a whole number of at least {min}.");
    }
}

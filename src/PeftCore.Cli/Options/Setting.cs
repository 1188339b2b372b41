using System.CommandLine;

namespace PeftCore.Cli.Options;

/// <summary>The type of a setting's value.</summary>
internal enum SettingKind
{
    Text,
    Boolean,
    Whole,
    Number,
    Size,
    Bytes,
}

/// <summary>The declaration of one setting of an options record: names, bounds, help and parsing.</summary>
/// <param name="Name">The name with dashes.</param>
/// <param name="Kind">The type of the value.</param>
/// <param name="Help">One line for --help.</param>
/// <param name="Read">Formats the value as text; returns null if there is none.</param>
/// <param name="Parse">Returns the options with the parsed value; null if the text is invalid.</param>
internal sealed record Setting<T>(string Name, SettingKind Kind, string Help, Func<T, string?> Read, Func<T, string, T?> Parse)
    where T : VerbOptions
{
    /// <summary>The name in settings files, with underscores.</summary>
    public string FileName => Name.Replace('-', '_');

    /// <summary>The allowed values; null if every value of the kind is allowed.</summary>
    public IReadOnlyList<string>? Choices { get; init; }

    /// <summary>Other names of <see cref="Choices"/> that are read too.</summary>
    public IReadOnlyDictionary<string, string> OtherNames { get; init; } = new Dictionary<string, string>();

    /// <summary>Values that a shell offers beside <see cref="Choices"/>; null for none.</summary>
    public Func<IEnumerable<string>>? Suggestions { get; init; }

    /// <summary>The lowest number allowed.</summary>
    public double Min { get; init; } = double.NegativeInfinity;

    /// <summary>The highest number allowed.</summary>
    public double Max { get; init; } = double.PositiveInfinity;

    /// <summary>The placeholder of the value in --help; null for that of the kind.</summary>
    public string? Value { get; init; }

    /// <summary>Other names, mostly those of Hugging Face.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>The description of the default in --help; null to show the default value.</summary>
    public string? Fallback { get; init; }

    /// <summary>The heading of --help that the setting is listed under.</summary>
    public string Group { get; init; } = HelpGroups.Other;

    /// <summary>Whether the text is a comma-separated list, which a file may also write as a list.</summary>
    public bool IsList { get; init; }

    /// <summary>Whether repeated flags make one list, rather than that the last of them counts.</summary>
    public bool Joins { get; init; }

    /// <summary>Whether true and false are valid texts.</summary>
    public bool TakesBooleans { get; init; }

    /// <summary>Whether the flag may omit its value, which then is true.</summary>
    public bool MayOmitValue { get; init; }

    /// <summary>Whether a name with dashes is the name or an alias of this setting.</summary>
    public bool IsCalled(string name) => name == Name || Aliases.Contains(name);

    /// <summary>Returns the options with the value of a flag.</summary>
    public T Set(T options, string text, string place)
    {
        text = OtherNames.GetValueOrDefault(text.Replace('-', '_'), text);
        if (Choices is { } choices && !choices.Contains(text.Replace('-', '_')) && !choices.Contains(text))
        {
            throw new BadInputException($"{place} is \"{text}\", expected {Description}.");
        }
        return Parse(options, text) ?? throw new BadInputException($"{place} is \"{text}\", expected {Description}{Hint(text)}.");
    }

    /// <summary>Returns the options with the value of a settings file.</summary>
    public T Set(T options, FileValue value, string place) => Set(options, TextOf(value, place), place);

    /// <summary>Creates the command-line option.</summary>
    /// <param name="defaults">The options whose values are the defaults.</param>
    public Option Declare(T defaults)
    {
        string[] aliases = [.. Aliases.Select(alias => "--" + alias)];
        string description = Help + ((Fallback ?? Read(defaults)) is { } fallback ? $" [default: {fallback}]" : "");
        // A flag without a value means true, so only a boolean may omit its value. The last of repeated flags is used, so that a script can
        // append to another's command line.
        if (Kind == SettingKind.Boolean)
        {
            return new Option<bool>("--" + Name, aliases) { Description = description };
        }
        var option = new Option<string[]>("--" + Name, aliases)
        {
            Description = description, HelpName = Value ?? (Choices is not null ? string.Join('|', Choices)
                : Kind == SettingKind.Text ? "TEXT" : "N"),
            Arity = MayOmitValue ? ArgumentArity.ZeroOrMore : ArgumentArity.OneOrMore
        };
        if (Suggestions is { } suggestions)
        {
            option.CompletionSources.Add(_ => suggestions());
        }
        return option;
    }

    /// <summary>The text of the equivalent flag. A value whose type in the file's language is not that of the setting is an error; it is
    /// not converted.</summary>
    private string TextOf(FileValue value, string place)
    {
        if (!value.IsList)
        {
            return TextOf(value.Items[0], place);
        }
        if (!IsList)
        {
            throw new BadInputException($"{place} is a list, expected {Description}.");
        }
        foreach (var item in value.Items)
        {
            if (item.Boolean is { } boolean)
            {
                throw AsBoolean(item.Text, boolean, place);
            }
            if (item.Text.Contains(',') && !item.Text.Contains('['))
            {
                throw new BadInputException(
                    $"{place} holds \"{item.Text}\", a comma inside an item of a list; write items apart, and numbers with a decimal " +
                    "point.");
            }
        }
        return string.Join(',', value.Items.Select(item => item.Text));
    }

    private string TextOf(FileScalar scalar, string place)
    {
        if (Kind == SettingKind.Boolean)
        {
            return scalar.Boolean is { } flag ? flag ? "true" : "false" : scalar.Text;
        }
        if (scalar.Boolean is { } boolean)
        {
            return TakesBooleans ? boolean ? "true" : "false" : throw AsBoolean(scalar.Text, boolean, place);
        }
        if (scalar.IsOctal && Kind != SettingKind.Text)
        {
            throw new BadInputException(
                $"{place} is {scalar.Text}, which YAML 1.1 reads in base 8 and YAML 1.2 in base 10; write it without the leading zero.");
        }
        return scalar.Text;
    }

    private BadInputException AsBoolean(string text, bool value, string place) => new(
        $"{place} is {text}, which the file's language reads as {(value ? "true" : "false")}, expected "
        + (Kind == SettingKind.Text && Choices is null ? "a text; put it in quotes if it is one." : $"{Description}."));

    private static string Hint(string text) =>
        text.Contains(',') ? "; numbers have a decimal point and no commas"
        : text.Contains('_') ? "; digits are written without underscores" : "";

    /// <summary>The allowed values in words.</summary>
    private string Description
    {
        get
        {
            if (Choices is { } choices)
            {
                return $"{string.Join(", ", choices.SkipLast(1))} or {choices[^1]}";
            }
            string kind = Kind switch
            {
                SettingKind.Boolean => "true or false",
                SettingKind.Size => MemoryLimits.Expected,
                SettingKind.Bytes => "a size such as 6GiB",
                SettingKind.Number => "a number",
                SettingKind.Whole => "a whole number",
                _ => "one text",
            };
            return (Min, Max) switch
            {
                (double.NegativeInfinity, double.PositiveInfinity) => kind,
                ({ } min, double.PositiveInfinity) => FormattableString.Invariant($"{kind} of at least {min}"),
                ({ } min, { } max) => FormattableString.Invariant($"{kind} from {min} to {max}"),
            };
        }
    }
}

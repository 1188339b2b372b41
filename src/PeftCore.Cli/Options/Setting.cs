using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Options;

/// <summary>One setting of an options record: its names, its flag, and how its text becomes a value.</summary>
internal sealed class Setting
{
    private readonly PropertyInfo _property;
    private readonly SettingAttribute _about;
    private readonly Type _type;

    public Setting(PropertyInfo property, SettingAttribute about, object? fallback)
    {
        (_property, _about) = (property, about);
        _type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        Name = JsonNamingPolicy.KebabCaseLower.ConvertName(property.Name);
        Choices = about.Choices ?? (_type.IsEnum ? [.. Enum.GetNames(_type).Select(Snake)] : null);
        Option = Name == GlobalOptions.Device.Name[2..] ? GlobalOptions.Device : Declare(about.Default ?? Text(fallback));
    }

    /// <summary>The name with dashes.</summary>
    public string Name { get; }

    /// <summary>The name with underscores, as files have it.</summary>
    public string FileName => Name.Replace('-', '_');

    public Option Option { get; }

    private string[]? Choices { get; }

    /// <summary>Whether a name, dashed, is this setting's or one of its aliases.</summary>
    public bool IsCalled(string name) => name == Name || _about.Aliases.Contains(name);

    /// <summary>Takes the text of a flag.</summary>
    public void Set(object options, string text, string place) => _property.SetValue(options, Parse(text, place));

    /// <summary>Takes the value of a settings file.</summary>
    public void Set(object options, FileValue value, string place) => Set(options, TextOf(value, place), place);

    /// <summary>The value as a settings file would hold it; null where there is none.</summary>
    public string? Read(object options) => Text(_property.GetValue(options));

    /// <summary>What --help shows in the place of the value.</summary>
    public string Expected => _about.Value ?? (Choices is not null ? string.Join('|', Choices) : _type == typeof(bool) ? "true|false"
        : _type == typeof(string) ? "TEXT" : "N");

    private object Parse(string text, string place)
    {
        if (Choices is not null && !Choices.Contains(text.Replace('-', '_')) && !Choices.Contains(text))
        {
            throw new BadInputException($"{place} is \"{text}\", expected {string.Join(", ", Choices[..^1])} or {Choices[^1]}.");
        }
        if (_type == typeof(string))
        {
            return text;
        }
        if (_type.IsEnum)
        {
            return Enum.Parse(_type, Enum.GetNames(_type).First(name => Snake(name) == text.Replace('-', '_')));
        }
        return Number(text) ?? throw new BadInputException($"{place} is \"{text}\", expected {Description()}{Hint(text)}.");
    }

    /// <summary>The value of a boolean, a size or a number within its range; null if the text is none.</summary>
    private object? Number(string text)
    {
        if (_type == typeof(bool))
        {
            return text.Equals("true", StringComparison.OrdinalIgnoreCase) ? true : text.Equals("false", StringComparison.OrdinalIgnoreCase)
                ? false : null;
        }
        if (_type == typeof(ByteSize))
        {
            return ByteSize.TryParse(text, out var size) ? size : null;
        }
        if (!NumberText.TryFloat(text, out double number) || number < _about.Min || number > _about.Max)
        {
            return null;
        }
        return _type == typeof(double) ? number
            : _type == typeof(int) ? NumberText.TryWhole(text, out int whole) ? whole : null
            : NumberText.TryWhole(text, out ulong seed) ? seed : null;
    }

    /// <summary>The text a flag would have. Where a file's language makes something else of a value than this setting needs, it is refused
    /// rather than converted.</summary>
    private string TextOf(FileValue value, string place)
    {
        if (!value.IsList)
        {
            return TextOf(value.Items[0], place);
        }
        if (!_about.IsList)
        {
            throw new BadInputException($"{place} is a list, expected {(_type == typeof(string) ? "one text" : Description())}.");
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
        if (_type == typeof(bool))
        {
            return scalar.Boolean is { } flag ? flag ? "true" : "false" : scalar.Text;
        }
        if (scalar.Boolean is { } boolean)
        {
            return _about.TakesBooleans ? boolean ? "true" : "false" : throw AsBoolean(scalar.Text, boolean, place);
        }
        if (scalar.IsOctal && _type != typeof(string) && !_type.IsEnum)
        {
            throw new BadInputException(
                $"{place} is {scalar.Text}, which YAML 1.1 reads in base 8 and YAML 1.2 in base 10; write it without the leading zero.");
        }
        return scalar.Text;
    }

    private BadInputException AsBoolean(string text, bool value, string place) => new(
        $"{place} is {text}, which the file's language reads as {(value ? "true" : "false")}, expected "
        + (Choices is not null ? $"{string.Join(", ", Choices[..^1])} or {Choices[^1]}." : _type == typeof(string)
            ? "a text; put it in quotes if it is one." : $"{Description()}."));

    private static string Hint(string text) =>
        text.Contains(',') ? "; numbers have a decimal point and no commas"
        : text.Contains('_') ? "; digits are written without underscores" : "";

    private Option Declare(string? fallback)
    {
        string[] aliases = [.. _about.Aliases.Select(alias => "--" + alias)];
        string description = _about.Description + (fallback is null ? "" : $" [default: {fallback}]");
        // A flag without a value means true, so only a bool may leave its value out. Of a repeated flag the last counts: a script adds to
        // another's line.
        return _type == typeof(bool)
            ? new Option<bool>("--" + Name, aliases) { Description = description }
            : new Option<string[]>("--" + Name, aliases)
            {
                Description = description, HelpName = Expected,
                Arity = ArgumentArity.OneOrMore
            };
    }

    private string Description()
    {
        string kind = _type == typeof(bool) ? "true or false" : _type == typeof(ByteSize) ? "a size such as 6GiB" : _type == typeof(double)
            ? "a number" : "a whole number";
        return (_about.Min, _about.Max) switch
        {
            (double.NegativeInfinity, double.PositiveInfinity) => kind,
            ({ } min, double.PositiveInfinity) => FormattableString.Invariant($"{kind} of at least {min}"),
            ({ } min, { } max) => FormattableString.Invariant($"{kind} from {min} to {max}"),
        };
    }

    private static string? Text(object? value) => value switch
    {
        null => null,
        bool flag => flag ? "true" : "false",
        Enum name => Snake(name.ToString()),
        ByteSize size => size.Bytes.ToString(CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture),
    };

    private static string Snake(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}

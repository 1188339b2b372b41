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

    public void Set(object options, string text, string place) => _property.SetValue(options, Parse(text, place));

    /// <summary>The value as a settings file would hold it; null where there is none.</summary>
    public string? Read(object options) => Text(_property.GetValue(options));

    /// <summary>What --help shows in the place of the value.</summary>
    public string Expected => _about.Value ?? (Choices is not null ? string.Join('|', Choices) : _type == typeof(bool) ? "true|false" : _type == typeof(string) ? "TEXT" : "N");

    private object Parse(string text, string place)
    {
        if (Choices is not null && !Choices.Contains(text.Replace('-', '_')) && !Choices.Contains(text))
            throw new BadInputException($"{place} is \"{text}\", expected {string.Join(", ", Choices[..^1])} or {Choices[^1]}.");
        if (_type == typeof(string))
            return text;
        if (_type == typeof(bool) && bool.TryParse(text, out bool flag))
            return flag;
        if (_type.IsEnum)
            return Enum.Parse(_type, Enum.GetNames(_type).First(name => Snake(name) == text.Replace('-', '_')));
        if (_type == typeof(ByteSize) && ByteSize.TryParse(text, out ByteSize size))
            return size;
        // double.Parse takes "nan" and "infinity"; the range refuses them, for comparisons with NaN are false.
        if (double.TryParse(text, CultureInfo.InvariantCulture, out double number) && number >= _about.Min && number <= _about.Max && double.IsFinite(number))
        {
            if (_type == typeof(double))
                return number;
            if (double.IsInteger(number) && _type == typeof(int) && Math.Abs(number) <= int.MaxValue)
                return (int)number;
            if (_type == typeof(ulong) && ulong.TryParse(text, CultureInfo.InvariantCulture, out ulong whole))
                return whole;
        }

        throw new BadInputException($"{place} is \"{text}\", expected {Description()}.");
    }

    private Option Declare(string? fallback)
    {
        string[] aliases = [.. _about.Aliases.Select(alias => "--" + alias)];
        string description = _about.Description + (fallback is null ? "" : $" [default: {fallback}]");
        // A flag without a value means true, so only a bool may leave its value out. Of a repeated flag the last counts: a script adds to another's line.
        return _type == typeof(bool)
            ? new Option<bool>("--" + Name, aliases) { Description = description }
            : new Option<string[]>("--" + Name, aliases) { Description = description, HelpName = Expected, Arity = ArgumentArity.OneOrMore };
    }

    private string Description()
    {
        string kind = _type == typeof(bool) ? "true or false" : _type == typeof(ByteSize) ? "a size such as 6GiB" : _type == typeof(double) ? "a number" : "a whole number";
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

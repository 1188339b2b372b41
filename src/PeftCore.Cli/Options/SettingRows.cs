using System.Globalization;
using System.Text.Json;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Options;

/// <summary>An options record that declares its settings.</summary>
internal interface ISettings<T>
    where T : VerbOptions
{
    /// <summary>The settings, one row each.</summary>
    static abstract SettingRows<T> Rows { get; }
}

/// <summary>The settings of an options record, one row each, in the order of --help. Flags, their help, the names in a settings file and
/// the resolved settings of a run come from these rows.</summary>
/// <param name="create">Creates options with all defaults.</param>
internal sealed class SettingRows<T>(Func<T> create)
    where T : VerbOptions
{
    private readonly List<Setting<T>> _all = [];
    private string _group = HelpGroups.Other;

    public IReadOnlyList<Setting<T>> All => _all;

    /// <summary>New options, every setting at its default.</summary>
    public T NewOptions() => create();

    /// <summary>Lists the following settings under a heading of --help.</summary>
    public SettingRows<T> Group(string heading)
    {
        _group = heading;
        return this;
    }

    public SettingRows<T> Text(string name, Func<T, string?> get, Func<T, string, T> set, string help, string? value = null,
        IReadOnlyList<string>? choices = null, string[]? aliases = null, string? fallback = null, bool isList = false,
        bool takesBooleans = false, Func<IEnumerable<string>>? suggestions = null, bool joins = false) =>
        Add(new(name, SettingKind.Text, help, get, set)
        {
            Value = value, Choices = choices, Aliases = aliases ?? [], Fallback = fallback, IsList = isList, TakesBooleans = takesBooleans,
            Suggestions = suggestions, Joins = joins,
        });

    public SettingRows<T> Bool(string name, Func<T, bool?> get, Func<T, bool, T> set, string help) => Add(new(name, SettingKind.Boolean,
        help, o => get(o) switch { true => "true", false => "false", _ => null },
        (o, text) => text.Equals("true", StringComparison.OrdinalIgnoreCase) ? set(o, true)
            : text.Equals("false", StringComparison.OrdinalIgnoreCase) ? set(o, false) : null));

    public SettingRows<T> Whole(string name, Func<T, int?> get, Func<T, int, T> set, string help,
        double min = double.NegativeInfinity, string[]? aliases = null, string? fallback = null) => Add(new(name, SettingKind.Whole, help,
        o => get(o)?.ToString(CultureInfo.InvariantCulture),
        (o, text) => IsWithin(text, min, double.PositiveInfinity) && NumberText.TryWhole(text, out int value) ? set(o, value) : null)
        {
            Min = min, Aliases = aliases ?? [], Fallback = fallback,
        });

    public SettingRows<T> Seed(Func<T, ulong> get, Func<T, ulong, T> set, string help) => Add(new("seed", SettingKind.Whole, help,
        o => get(o).ToString(CultureInfo.InvariantCulture),
        (o, text) => NumberText.TryFloat(text, out _) && NumberText.TryWhole(text, out ulong value) ? set(o, value) : null));

    public SettingRows<T> Number(string name, Func<T, double?> get, Func<T, double, T> set, string help,
        double min = double.NegativeInfinity, double max = double.PositiveInfinity, string[]? aliases = null, string? fallback = null) =>
        Add(new(name, SettingKind.Number, help, o => get(o)?.ToString(CultureInfo.InvariantCulture),
            (o, text) => IsWithin(text, min, max) && NumberText.TryFloat(text, out double value) ? set(o, value) : null)
        {
            Min = min, Max = max, Aliases = aliases ?? [], Fallback = fallback,
        });

    public SettingRows<T> Limits(string name, Func<T, MemoryLimits?> get, Func<T, MemoryLimits, T> set, string help)
    {
        var row = new Setting<T>(name, SettingKind.Size, help, o => get(o)?.Text,
            (o, text) => MemoryLimits.TryParse(text, out var value) ? set(o, value) : null);
        return Add(row with { Value = "6GiB|cuda=6GiB,…" });
    }

    public SettingRows<T> Bytes(string name, Func<T, ByteSize?> get, Func<T, ByteSize, T> set, string help, string fallback) => Add(
        new(name, SettingKind.Bytes, help, o => get(o)?.Bytes.ToString(CultureInfo.InvariantCulture),
            (o, text) => ByteSize.TryParse(text, out var size) && size.Bytes > 0 ? set(o, size) : null)
        {
            Value = fallback, Fallback = fallback,
        });

    /// <summary>Adds a setting with values of an enumeration, written in lower case with underscores.</summary>
    /// <param name="name">The name with dashes.</param>
    /// <param name="get">Reads the value.</param>
    /// <param name="set">Sets it.</param>
    /// <param name="help">One line for --help.</param>
    /// <param name="values">The allowed values; null for all.</param>
    /// <param name="aliases">Other names.</param>
    /// <param name="fallback">The description of the default in --help.</param>
    /// <param name="nameOf">The name of a value; null for lower case with underscores.</param>
    /// <param name="otherNames">Other names of values that are read too, with the name that is written.</param>
    public SettingRows<T> Choice<TEnum>(string name, Func<T, TEnum> get, Func<T, TEnum, T> set, string help, TEnum[]? values = null,
        string[]? aliases = null, string? fallback = null, Func<TEnum, string>? nameOf = null,
        Dictionary<string, string>? otherNames = null)
        where TEnum : struct, Enum
    {
        values ??= Enum.GetValues<TEnum>();
        nameOf ??= NameOf;
        return Add(new(name, SettingKind.Text, help, o => nameOf(get(o)),
            (o, text) => set(o, values.First(value => nameOf(value) == text.Replace('-', '_'))))
        {
            Choices = [.. values.Select(nameOf)], Aliases = aliases ?? [], Fallback = fallback, OtherNames = otherNames ?? [],
        });
    }

    private SettingRows<T> Add(Setting<T> setting)
    {
        _all.Add(setting with { Group = _group });
        return this;
    }

    private static string NameOf<TEnum>(TEnum value)
        where TEnum : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    private static bool IsWithin(string text, double min, double max) =>
        NumberText.TryFloat(text, out double number) && number >= min && number <= max;
}

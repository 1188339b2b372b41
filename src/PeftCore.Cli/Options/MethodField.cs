using PeftCore.Peft;

namespace PeftCore.Cli.Options;

/// <summary>A flag for a field of a method's adapter_config.json. Its bounds, names and default come from the method's row.</summary>
/// <param name="Help">One line for --help.</param>
/// <param name="Row">The field.</param>
internal sealed record MethodField(string Help, ConfigField Row)
{
    /// <summary>A field of LoRA.</summary>
    public static MethodField OfLora(string name) => Of(name, "lora");

    /// <summary>A field that several methods share; the row of the first one is used.</summary>
    public static MethodField Of(string name, params ReadOnlySpan<string> methods)
    {
        var row = PeftConfig.FieldsOf(methods[0]).First(row => row.Name == name);
        string help = row.Help.TrimEnd('.');
        string line = char.IsUpper(help[0]) && char.IsLower(help[1]) ? char.ToLowerInvariant(help[0]) + help[1..] : help;
        return new MethodField(methods[0] == "lora" ? line : $"{line} ({string.Join(", ", methods!)})", row);
    }

    /// <summary>The default without JSON's quotes; null for a null default and for an empty list.</summary>
    public string? Default => Row.Default is "null" or "[]" ? null : Row.Default.Trim('"');
}

/// <summary>Settings that are fields of a method.</summary>
internal static class MethodFieldRows
{
    extension<T>(SettingRows<T> rows)
        where T : VerbOptions
    {
        public SettingRows<T> Whole(string name, Func<T, int?> get, Func<T, int, T> set, MethodField field, double? min = null,
            string? fallback = null) => rows.Whole(name, get, set, field.Help, min ?? field.Row.Min ?? double.NegativeInfinity,
                fallback: fallback ?? field.Default);

        public SettingRows<T> Number(string name, Func<T, double?> get, Func<T, double, T> set, MethodField field, double? min = null,
            double? max = null, string? fallback = null) => rows.Number(name, get, set, field.Help,
                min ?? field.Row.Min ?? double.NegativeInfinity, max ?? field.Row.Max ?? double.PositiveInfinity,
                fallback: fallback ?? field.Default);

        public SettingRows<T> Bool(string name, Func<T, bool?> get, Func<T, bool, T> set, MethodField field) =>
            rows.Bool(name, get, set, field.Help);

        public SettingRows<T> Text(string name, Func<T, string?> get, Func<T, string, T> set, MethodField field, string? value = null,
            string? fallback = null, bool isList = false) => rows.Text(name, get, set, field.Help, value,
                value is null ? field.Row.Choices : null, fallback: fallback ?? field.Default, isList: isList);
    }
}

using System.Text.RegularExpressions;

namespace PeftCore.Cli.Options;

/// <summary>A value of a settings file: one scalar or a list of them.</summary>
internal readonly partial record struct FileValue(IReadOnlyList<FileScalar> Items, bool IsList)
{
    public static FileValue Of(FileScalar scalar) => new([scalar], false);
}

/// <summary>A scalar of a settings file.</summary>
/// <param name="Text">The text in the file.</param>
/// <param name="Boolean">The value if the file's language reads the text as a boolean; null otherwise.</param>
/// <param name="IsOctal">Whether YAML 1.1 reads the text in base 8, and YAML 1.2 in base 10.</param>
internal readonly partial record struct FileScalar(string Text, bool? Boolean = null, bool IsOctal = false)
{
    /// <summary>A scalar without quotes in YAML. The booleans of YAML 1.1, such as yes and off, are booleans too, as in Python.</summary>
    public static FileScalar OfYaml(string text) => new(text, YamlBoolean(text), Octal().IsMatch(text));

    private static bool? YamlBoolean(string text) =>
        True().IsMatch(text) ? true : False().IsMatch(text) ? false : null;

    [GeneratedRegex("^(true|True|TRUE|yes|Yes|YES|on|On|ON)$", RegexOptions.CultureInvariant)]
    private static partial Regex True();

    [GeneratedRegex("^(false|False|FALSE|no|No|NO|off|Off|OFF)$", RegexOptions.CultureInvariant)]
    private static partial Regex False();

    [GeneratedRegex("^[-+]?0[0-9]+$", RegexOptions.CultureInvariant)]
    private static partial Regex Octal();
}

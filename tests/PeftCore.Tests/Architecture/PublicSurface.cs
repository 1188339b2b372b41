using System.Text.RegularExpressions;

namespace PeftCore.Tests.Architecture;

/// <summary>Counts a PublicAPI.*.txt as a reader of the code does. The analyzer's line is an accessor or a method of the compiled
/// assembly, so a property has two lines, a record about eight that nobody wrote, and an extension member its static form beside
/// it.</summary>
internal static partial class PublicSurface
{
    public const string Header = "#nullable enable";

    /// <summary>The lines that stand for a type or a member in the sources.</summary>
    public static IEnumerable<string> Members(string[] list)
    {
        string[] lines = [.. list.Where(line => line.Length > 0 && line != Header).Select(line => Modifiers().Replace(line, ""))];
        var records = lines.Select(line => RecordOnly().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value)
            .ToHashSet(StringComparer.Ordinal);
        var extensions = lines.Select(line => Extension().Match(line)).Where(match => match.Success)
            .Select(match => $"{match.Groups[1].Value}.{match.Groups[2].Value}").ToHashSet(StringComparer.Ordinal);
        return lines.Where(line => !SecondAccessor().IsMatch(line) && !ExtensionBlock().IsMatch(line)
            && !(RecordPlumbing().Match(line) is { Success: true } plumbing && records.Contains(plumbing.Groups[1].Value))
            && !(CopyConstructor().Match(line) is { Success: true } copy && records.Contains(copy.Groups[1].Value))
            && !IsStaticForm(line, extensions));
    }

    /// <summary>Whether a line is the static method that an extension member compiles to.</summary>
    private static bool IsStaticForm(string line, HashSet<string> extensions)
    {
        if (Method().Match(line) is not { Success: true } method)
        {
            return false;
        }
        string type = method.Groups[1].Value, name = method.Groups[2].Value;
        return extensions.Contains($"{type}.{name}") || (name.StartsWith("op_", StringComparison.Ordinal)
            ? extensions.Contains($"{type}.operator")
            : name.StartsWith("get_", StringComparison.Ordinal) && extensions.Contains($"{type}.{name[4..]}"));
    }

    [GeneratedRegex("^((~|static|override|virtual|abstract|sealed|readonly|const) ?)+")]
    private static partial Regex Modifiers();

    [GeneratedRegex(@"\.(init|set) -> void$")]
    private static partial Regex SecondAccessor();

    [GeneratedRegex(@"^([\w.<>]+)\.(<Clone>\$|Deconstruct)\(")]
    private static partial Regex RecordOnly();

    [GeneratedRegex(@"^([\w.<>]+)\.(<Clone>\$\(|Deconstruct\(|Equals\(|GetHashCode\(|ToString\(|PrintMembers\(|EqualityContract\.|operator [!=]=)")]
    private static partial Regex RecordPlumbing();

    [GeneratedRegex(@"^([\w.<>]+)\.\w+\(\1!? original\)")]
    private static partial Regex CopyConstructor();

    [GeneratedRegex(@"^([\w.<>]+?)\.extension(?:<\w+>)?\(.*?\)\.(\w+)")]
    private static partial Regex Extension();

    [GeneratedRegex(@"\.extension(<\w+>)?\([^)]*\)$")]
    private static partial Regex ExtensionBlock();

    [GeneratedRegex(@"^([\w.<>]+?)\.(\w+)(<\w+>)?\(")]
    private static partial Regex Method();
}

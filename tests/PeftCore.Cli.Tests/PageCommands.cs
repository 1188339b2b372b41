using System.Globalization;
using System.Text.RegularExpressions;

namespace PeftCore.Cli.Tests;

/// <summary>The commands of a section of a page in docs, run with few steps in a temporary directory.</summary>
internal static partial class PageCommands
{
    // Flags that say how long a command computes, and what they are here.
    private static readonly Dictionary<string, int> Short = new()
    {
        ["--max-steps"] = 2, ["--num-images"] = 2, ["--num-inference-steps"] = 2,
    };

    /// <summary>The lines of a section that begin with the tool's name.</summary>
    /// <param name="page">The page's file name.</param>
    /// <param name="section">The heading, with its signs.</param>
    public static IReadOnlyList<string> In(string page, string section) =>
        [.. File.ReadLines(Path.Combine(Repository.Root, "docs", page)).SkipWhile(line => line != section).Skip(1)
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal))
            .Where(line => line.StartsWith("peftcore ", StringComparison.Ordinal))];

    /// <summary>Runs a command, which must succeed.</summary>
    /// <param name="directory">Where its outputs go.</param>
    /// <param name="command">The line of the page.</param>
    /// <param name="isOutput">Whether a word is the path of an output.</param>
    /// <param name="more">Further arguments.</param>
    public static ToolRun Run(TemporaryDirectory directory, string command, Func<string, bool> isOutput, params string[] more)
    {
        string[] words = [.. Word().Matches(command).Skip(1).Select(word => word.Value.Trim('"'))];
        var run = ToolRun.Of([.. words.Select((word, i) => i > 0 && Short.TryGetValue(words[i - 1], out int few)
            ? few.ToString(CultureInfo.InvariantCulture) : Resolved(word)), .. more, "--json"]);
        Assert.That(run.ExitCode, Is.Zero, $"{command}: {run.Error}");
        return run;

        string Resolved(string word) => isOutput(word) ? Path.Combine(directory.FullPath, word)
            : word.StartsWith("src/", StringComparison.Ordinal) ? Path.Combine(Repository.Root, word) : word;
    }

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Word();
}

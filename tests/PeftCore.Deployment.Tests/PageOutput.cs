using System.Globalization;
using System.Text.RegularExpressions;

namespace PeftCore.Deployment.Tests;

/// <summary>The output of a program as pages of docs/getting-started show it, after the mark &lt;!-- output: PROGRAM --&gt;.</summary>
internal static partial class PageOutput
{
    /// <summary>Each shown line is one of the program's, with numbers that are near: processors round sums differently.</summary>
    public static void AssertShown(string program, string output)
    {
        string[] printed = [.. output.Split('\n').Select(line => line.TrimEnd())];
        var shown =
            from page in Directory.GetFiles(Path.Combine(TestFiles.Root, "docs", "getting-started"), "*.md")
            from Match block in Block().Matches(File.ReadAllText(page))
            where block.Groups["program"].Value == program
            from line in block.Groups["lines"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            where !printed.Any(other => AreNear(line.TrimEnd(), other))
            select $"{Path.GetFileName(page)}: {line}";
        Assert.That(shown, Is.Empty, output);
    }

    private static bool AreNear(string shown, string printed) => Number().Replace(shown, "#") == Number().Replace(printed, "#")
        && Number().Matches(shown).Zip(Number().Matches(printed)).All(pair => AreNear(Value(pair.First), Value(pair.Second)));

    private static bool AreNear(double shown, double printed) =>
        Math.Abs(shown - printed) <= Math.Max(1e-4, 0.1 * Math.Abs(shown));

    private static double Value(Match number) =>
        double.Parse(number.Value, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"<!-- output: (?<program>\S+) -->\r?\n```text\r?\n(?<lines>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"-?[0-9][0-9,]*(\.[0-9]+)?(e[+-][0-9]+)?")]
    private static partial Regex Number();
}

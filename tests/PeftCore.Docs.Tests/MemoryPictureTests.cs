using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace PeftCore.Docs.Tests;

/// <summary>The README's picture of what a step takes is drawn from what lesson 2 prints.</summary>
public sealed partial class MemoryPictureTests
{
    private const int Left = 96, Width = 560, BarHeight = 22, RowHeight = 40, Top = 44;

    private static readonly string Lessons = Path.Combine(TestFiles.Root, "docs", "lessons");

    private static readonly string[] Kinds = ["weights", "gradients and optimizer", "activations"];

    [Test]
    public void It_shows_the_figures_of_the_lesson()
    {
        string drawn = Draw(File.ReadAllText(Path.Combine(Lessons, "output", "02-saved-tensors.txt"))),
            file = Path.Combine(Lessons, "memory.svg");
        if (Environment.GetEnvironmentVariable("PEFTCORE_UPDATE_DOCS") == "1")
        {
            File.WriteAllText(file, drawn);
        }
        Assert.That(File.ReadAllText(file), Is.EqualTo(drawn));
    }

    private static long Bytes(Group group) => long.Parse(group.Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);

    private static string Draw(string output)
    {
        var rows = Row().Matches(output).Select(row =>
            (Name: row.Groups[1].Value, Bytes: row.Groups.Values.Skip(2).Select(Bytes).ToArray())).ToList();
        Assert.That(rows, Has.Count.EqualTo(4));
        double scale = Width / (double)rows.Max(row => row.Bytes[0]);
        var svg = new StringBuilder();
        int height = Top + rows.Count * RowHeight;
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" width="760" height="{height}" role="img" font-family="sans-serif" font-size="13">
            <title>Bytes at the peak of a training step of the bundled model, 4 sequences of 64 tokens</title>
            <style>text {"{"} fill: #222 {"}"} .k0 {"{"} fill: #8a8f98 {"}"} .k1 {"{"} fill: #d1495b {"}"} .k2 {"{"} fill: #2e86ab {"}"} @media (prefers-color-scheme: dark) {"{"} text {"{"} fill: #ddd {"}"} {"}"}</style>

            """);
        for (int kind = 0; kind < Kinds.Length; kind++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""
                <rect class="k{kind}" x="{Left + kind * 190}" y="10" width="14" height="14"/><text x="{Left + kind * 190 + 20}" y="22">{Kinds[kind]}</text>

                """);
        }
        for (int row = 0; row < rows.Count; row++)
        {
            var (name, bytes) = rows[row];
            Assert.That(bytes[1..].Sum(), Is.EqualTo(bytes[0]), "the kinds add up to the peak");
            int y = Top + row * RowHeight;
            double x = Left;
            svg.Append(CultureInfo.InvariantCulture, $"""<text x="{Left - 8}" y="{y + 16}" text-anchor="end">{name}</text>""").Append('\n');
            for (int kind = 0; kind < Kinds.Length; kind++)
            {
                double width = bytes[kind + 1] * scale;
                svg.Append(CultureInfo.InvariantCulture,
                    $"""<rect class="k{kind}" x="{x:0.0}" y="{y}" width="{width:0.0}" height="{BarHeight}"/>""").Append('\n');
                x += width;
            }
            svg.Append(CultureInfo.InvariantCulture, $"""<text x="{x + 8:0.0}" y="{y + 16}">{bytes[0] / 1e6:0.0} MB</text>""").Append('\n');
        }
        return svg.Append("</svg>\n").ToString();
    }

    [GeneratedRegex(@"^(.*?) +trains +[\d,]+; bytes at the peak +([\d,]+): weights +([\d,]+), gradients and optimizer +([\d,]+), "
        + @"activations +([\d,]+)$", RegexOptions.Multiline)]
    private static partial Regex Row();
}

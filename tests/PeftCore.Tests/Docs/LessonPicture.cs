using System.Net;
using System.Text;

namespace PeftCore.Tests.Docs;

/// <summary>Draws a lesson for README: its title, the code of its first section, and what it prints.</summary>
internal static class LessonPicture
{
    private const int Columns = 104, Width = 860, LineHeight = 19, Margin = 24;

    private const string Style = """
          <style>
            :root { --card: #ffffff; --edge: #d0d7de; --text: #1f2328; --quiet: #59636e; --panel: #f3f5f7; --good: #0a7568 }
            @media (prefers-color-scheme: dark) { :root { --card: #161b22; --edge: #3d444d; --text: #e6edf3; --quiet: #9ea7b3;
              --panel: #0d1117; --good: #2dd4bf } }
            text { font: 13px ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace; fill: var(--text); white-space: pre }
            .title { font: 600 17px system-ui, "Segoe UI", "DejaVu Sans", sans-serif } .quiet { fill: var(--quiet) } .good { fill: var(--good) }
            .card { fill: var(--card); stroke: var(--edge) } .panel { fill: var(--panel) }
          </style>

        """;

    /// <summary>The drawing as SVG.</summary>
    /// <param name="lesson">The program; its output is beside it in output/NAME.txt.</param>
    public static string Write(string lesson)
    {
        string name = Path.GetFileName(lesson);
        string[] lines = File.ReadAllLines(lesson);
        string[] output = File.ReadAllLines(Path.Combine(Path.GetDirectoryName(lesson)!, "output", Path.ChangeExtension(name, ".txt")));
        string title = lines.First(line => line.StartsWith("// # ", StringComparison.Ordinal))["// # ".Length..];
        string[] code = [.. lines.SkipWhile(line => !line.StartsWith("// ## 1", StringComparison.Ordinal))
            .SkipWhile(line => line.StartsWith("//", StringComparison.Ordinal))
            .TakeWhile(line => !line.StartsWith("// ## ", StringComparison.Ordinal))];
        code = [.. string.Join('\n', code).Trim('\n').Split('\n').Take(14)];

        var body = new StringBuilder();
        int y = 36;
        Line(title, "title");
        y += 6;
        Panel(code, "");
        Line($"> dotnet run docs/lessons/{name}", "quiet");
        Panel(output, "good");
        return $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {y}" width="{Width}" height="{y}" role="img" aria-labelledby="title desc">
              <title id="title">{Text(title)}</title>
              <desc id="desc">The code of the first section of the lesson, and what the program prints.</desc>
            {Style}  <rect class="card" x="0.5" y="0.5" width="{Width - 1}" height="{y - 1}" rx="8"/>
            {body}</svg>

            """.Replace("\r", "", StringComparison.Ordinal);

        void Line(string text, string style)
        {
            body.Append($"  <text class=\"{style}\" x=\"{Margin}\" y=\"{y}\">{Text(text)}</text>\n");
            y += LineHeight;
        }

        void Panel(string[] text, string claims)
        {
            body.Append($"  <rect class=\"panel\" x=\"{Margin - 8}\" y=\"{y - 8}\" width=\"{Width - 2 * Margin + 16}\" ")
                .Append($"height=\"{text.Length * LineHeight + 12}\" rx=\"5\"/>\n");
            y += 12;
            foreach (string line in text)
            {
                Line(line, line.StartsWith('✓') ? claims : "");
            }
            y += 16;
        }
    }

    private static string Text(string line) => WebUtility.HtmlEncode(line.Length > Columns ? line[..(Columns - 1)] + "…" : line)
        .Replace("&quot;", "\"", StringComparison.Ordinal).Replace("&#39;", "'", StringComparison.Ordinal);
}

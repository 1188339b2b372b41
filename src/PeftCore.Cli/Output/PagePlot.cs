using System.Globalization;
using System.Net;
using System.Text;

namespace PeftCore.Cli.Output;

/// <summary>Draws a page: each word in its box, in the color of its tag.</summary>
internal static class PagePlot
{
    private const int Side = 1000, Line = 34;

    private static readonly string[] Colors = ["#f6c85f", "#9ecae1", "#a1d99b", "#f4a582", "#c7b3e5", "#dddddd"];

    /// <summary>The drawing. Tags that begin and continue an entity, as B-TOTAL and I-TOTAL do, have one color; O has none.</summary>
    /// <param name="words">The words, each with its box from 0 to 1000 and its tag.</param>
    public static string Svg(IReadOnlyList<(string Word, int[] Box, string Tag)> words)
    {
        string[] entities = [.. words.Where(word => word.Tag != "O").Select(word => EntityOf(word.Tag)).Distinct()
            .Order(StringComparer.Ordinal)];
        var svg = new StringBuilder();
        int height = Math.Min(Side, words.Max(word => word.Box[3]) + Line) + Line;
        svg.Append(Text($"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Side} {height}" font-family="sans-serif" font-size="20">
            <title>Tags of a page</title>
            <rect width="{Side}" height="{height}" fill="white" stroke="#888888"/>

            """));
        foreach (var (word, box, tag) in words)
        {
            if (tag != "O")
            {
                svg.Append(Text($"<rect x=\"{box[0] - 3}\" y=\"{box[1]}\" width=\"{box[2] - box[0] + 6}\" height=\"{box[3] - box[1]}\" ")
                    + Text($"fill=\"{ColorOf(entities, EntityOf(tag))}\"/>\n"));
            }
            svg.Append(Text($"<text x=\"{box[0]}\" y=\"{box[3] - 6}\">{WebUtility.HtmlEncode(word)}</text>\n"));
        }
        for (int i = 0; i < entities.Length; i++)
        {
            int x = 40 + 220 * i;
            string color = ColorOf(entities, entities[i]);
            svg.Append(Text($"<rect x=\"{x}\" y=\"{height - Line}\" width=\"20\" height=\"20\" fill=\"{color}\"/>\n")
                + Text($"<text x=\"{x + 28}\" y=\"{height - Line + 17}\">{WebUtility.HtmlEncode(entities[i])}</text>\n"));
        }
        return svg.Append("</svg>\n").ToString();
    }

    private static string EntityOf(string tag) => tag.Length > 2 && tag[1] == '-' ? tag[2..] : tag;

    private static string ColorOf(string[] entities, string entity) => Colors[Math.Min(Array.IndexOf(entities, entity), Colors.Length - 1)];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

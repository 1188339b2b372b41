using System.Globalization;
using System.Text;

namespace PeftCore.Cli.Output;

/// <summary>Draws a confusion matrix: a row for each class of the data, a column for each class that the model predicts; the darker a cell,
/// the larger its share of the row.</summary>
internal static class ConfusionPlot
{
    private const int Cell = 44, Top = 60, Letter = 8, Margin = 20;

    // More classes than this leave no room for numbers.
    private const int MostNumbered = 40;

    /// <summary>Draws a file.</summary>
    public static void Draw(string path, IReadOnlyList<string> labels, IReadOnlyList<IReadOnlyList<int>> counts)
    {
        try
        {
            File.WriteAllText(path, Svg(labels, counts));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--confusion {path}: the file cannot be written ({e.Message.TrimEnd('.')}).", e);
        }
    }

    internal static string Svg(IReadOnlyList<string> labels, IReadOnlyList<IReadOnlyList<int>> counts)
    {
        int n = labels.Count, left = Margin + Letter * labels.Max(label => Math.Min(label.Length, 24));
        int cell = n <= MostNumbered ? Cell : Math.Max(2, Cell * MostNumbered / n);
        int width = left + n * cell + Margin + 60, height = Top + n * cell + left;
        int all = counts.Sum(row => row.Sum()), right = Enumerable.Range(0, n).Sum(i => counts[i][i]);
        var svg = new StringBuilder();
        svg.Append(Text($"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
            <title>Confusion matrix</title>
            <rect width="{width}" height="{height}" fill="white"/>
            <text x="{Margin}" y="20">{right} of {all} right ({(all == 0 ? 0 : 100.0 * right / all):0.0} %)</text>
            <text x="{Margin}" y="38" fill="#444444">rows: the class of the picture; columns: the class that is predicted</text>

            """));
        for (int row = 0; row < n; row++)
        {
            double total = Math.Max(1, counts[row].Sum());
            int y = Top + row * cell;
            svg.Append(Text($"<text x=\"{left - 8}\" y=\"{y + cell / 2 + 4}\" text-anchor=\"end\">{Name(labels[row])}</text>\n"));
            svg.Append(Text($"<text x=\"{left + row * cell + cell / 2 + 4}\" y=\"{Top + n * cell + 10}\" text-anchor=\"end\" ")
                + Text($"transform=\"rotate(-60 {left + row * cell + cell / 2 + 4} {Top + n * cell + 10})\">{Name(labels[row])}</text>\n"));
            for (int column = 0; column < n; column++)
            {
                double share = counts[row][column] / total;
                svg.Append(Text($"<rect x=\"{left + column * cell}\" y=\"{y}\" width=\"{cell - 1}\" height=\"{cell - 1}\" ")
                    + Text($"fill=\"{Color(share)}\"/>\n"));
                if (n <= MostNumbered)
                {
                    svg.Append(Text($"<text x=\"{left + column * cell + cell / 2}\" y=\"{y + cell / 2 + 4}\" text-anchor=\"middle\" ")
                        + Text($"fill=\"{(share > 0.55 ? "white" : "#222222")}\">{counts[row][column]}</text>\n"));
                }
            }
        }
        return svg.Append("</svg>\n").ToString();
    }

    // From nearly white to dark blue.
    private static string Color(double share)
    {
        int red = (int)Math.Round(240 - 210 * share), green = (int)Math.Round(244 - 170 * share), blue = (int)Math.Round(250 - 110 * share);
        return $"#{red:x2}{green:x2}{blue:x2}";
    }

    private static string Name(string label) => System.Net.WebUtility.HtmlEncode(label.Length > 24 ? label[..23] + "…" : label);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

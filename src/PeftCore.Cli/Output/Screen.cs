using Spectre.Console;

namespace PeftCore.Cli.Output;

/// <summary>What Spectre.Console draws on a terminal. Files and pipes get plain lines instead.</summary>
internal static class Screen
{
    /// <summary>A console on a stream that is a terminal.</summary>
    /// <param name="writer">The stream.</param>
    /// <param name="color">Whether colours are used.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IAnsiConsole On(TextWriter writer, bool color, int width)
    {
        var settings = new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = color ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(writer),
        };
        settings.Enrichment.UseDefaultEnrichers = false; // Decided here, not by the environment.
        var console = AnsiConsole.Create(settings);
        console.Profile.Width = width;
        return console;
    }

    /// <summary>A table with lines around its cells.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="hasHeader">Whether the first row is the header.</param>
    /// <param name="right">Numbers of the columns that are right-aligned.</param>
    public static Table Table(IReadOnlyList<string[]> rows, bool hasHeader, IReadOnlyList<int> right)
    {
        var table = new Table { Border = TableBorder.Rounded, ShowHeaders = hasHeader };
        int columns = rows.Count == 0 ? 0 : rows.Max(row => row.Length);
        for (int column = 0; column < columns; column++)
        {
            string header = hasHeader && column < rows[0].Length ? rows[0][column] : "";
            table.AddColumn(new TableColumn(new Text(header)) { Alignment = right.Contains(column) ? Justify.Right : Justify.Left });
        }
        foreach (string[] row in rows.Skip(hasHeader ? 1 : 0))
        {
            table.AddRow(row.Select(cell => new Text(cell)));
        }
        return table;
    }
}

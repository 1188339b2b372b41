namespace PeftCore.Cli.Output;

/// <summary>Aligns the columns of a table.</summary>
internal static class TextTable
{
    /// <summary>Pads every column to its widest cell; columns whose number is in <paramref name="right"/> are right-aligned.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<string[]> rows, params int[] right)
    {
        int columns = rows.Count == 0 ? 0 : rows.Max(row => row.Length);
        int[] widths = [.. Enumerable.Range(0, columns).Select(column => rows.Where(row => column < row.Length)
            .Max(row => row[column].Length))];
        return rows.Select(row => string.Join("  ", row.Select((cell, column) =>
            right.Contains(column) ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]))).TrimEnd());
    }
}

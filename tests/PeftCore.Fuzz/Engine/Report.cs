using System.Globalization;

namespace PeftCore.Fuzz.Engine;

/// <summary>The table of outcomes, and the list of failures.</summary>
internal static class Report
{
    private static readonly string[] Heads =
        ["kind", "inputs", "refused", "accepted", "warned", "crashes", "hangs", "silent", "wrongly refused", "unclear", "slowest", "index",
            "most allocated"];

    public static void Write(TextWriter writer, IReadOnlyList<Tally> tallies)
    {
        List<string[]> rows = [Heads, .. tallies.Select(Row)];
        if (tallies.Count > 1)
        {
            rows.Add(["all", Number(tallies.Sum(tally => tally.Inputs)), .. Enum.GetValues<Outcome>()
                .Select(outcome => Number(tallies.Sum(tally => tally[outcome]))), "", "", ""]);
        }
        int[] widths = [.. Enumerable.Range(0, Heads.Length).Select(column => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
        {
            writer.WriteLine(string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[0])
                : cell.PadLeft(widths[column]))).TrimEnd());
        }
        foreach (var tally in tallies.Where(tally => tally.Failures > 0))
        {
            writer.WriteLine();
            foreach (var group in tally.Groups)
            {
                writer.WriteLine($"{tally.Kind}: {group.Outcome}, {group.Count} times: {group.Signature}");
                writer.WriteLine($"    --replay {tally.Kind}:{group.First}: {FirstLine(group.Detail)}");
            }
        }
    }

    private static string[] Row(Tally tally) =>
    [
        tally.Kind, Number(tally.Inputs), .. Enum.GetValues<Outcome>().Select(outcome => Number(tally[outcome])),
        string.Create(CultureInfo.InvariantCulture, $"{tally.SlowestSeconds * 1000:F0} ms"), Number(tally.SlowestIndex),
        string.Create(CultureInfo.InvariantCulture, $"{tally.LargestBytes / 1048576.0:F1} MiB"),
    ];

    private static string FirstLine(string text)
    {
        string line = text.Split('\n')[0].TrimEnd();
        return line.Length > 400 ? line[..400] + "…" : line;
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}

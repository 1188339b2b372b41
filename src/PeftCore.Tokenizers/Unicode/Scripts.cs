using System.Globalization;

namespace PeftCore.Tokenizers;

/// <summary>Unicode 16 scripts, emoji properties and the "other" parts of derived properties, from the table beside this file: on each line
/// a name in lower case and its ranges in hexadecimal.</summary>
internal static class Scripts
{
    private static readonly Lazy<Dictionary<string, string>> Lines = new(Read);

    public static CodePointSet? Find(string name) =>
        Lines.Value.TryGetValue(name, out string? ranges) ? CodePointSet.Of(ParseRanges(ranges)) : null;

    internal static IEnumerable<(int First, int Last)> ParseRanges(string text)
    {
        foreach (string range in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int dash = range.IndexOf('-', StringComparison.Ordinal);
            yield return dash < 0 ? (Hex(range), Hex(range)) : (Hex(range.AsSpan(0, dash)), Hex(range.AsSpan(dash + 1)));
        }
    }

    private static int Hex(ReadOnlySpan<char> digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static Dictionary<string, string> Read()
    {
        var lines = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in UnicodeResource.Lines("Scripts.txt"))
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            lines[line[..space]] = line[(space + 1)..];
        }

        return lines;
    }
}

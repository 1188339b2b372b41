using System.Globalization;
using System.Text.RegularExpressions;

namespace PeftCore.Cli.Output;

/// <summary>A number of bytes, read and printed with a unit: 6GiB, 12.5 MiB.</summary>
internal readonly partial record struct ByteSize(long Bytes)
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>Reads "6GiB", "512 MB", "1.5g" or plain bytes. K, M and G are powers of 1024 unless written KB, MB, GB.</summary>
    public static bool TryParse(string text, out ByteSize size)
    {
        size = default;
        var match = Pattern().Match(text.Trim());
        if (!match.Success || !NumberText.TryFloat(match.Groups["number"].ValueSpan, out double number))
        {
            return false;
        }

        int power = "kmgt".IndexOf(match.Groups["unit"].Value.ToLowerInvariant(), StringComparison.Ordinal) + 1;
        double bytes = number * Math.Pow(match.Groups["decimal"].Success ? 1000 : 1024, match.Groups["unit"].Length == 0 ? 0 : power);
        if (bytes is < 0 or > long.MaxValue / 2)
        {
            return false;
        }

        size = new ByteSize((long)bytes);
        return true;
    }

    public override string ToString()
    {
        double value = Bytes;
        int unit = 0;
        while (Math.Abs(value) >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        string number = unit == 0 ? Bytes.ToString(CultureInfo.InvariantCulture) : value.ToString("#,0.0", CultureInfo.InvariantCulture);
        return $"{number} {Units[unit]}";
    }

    [GeneratedRegex(@"^(?<number>[0-9]+(\.[0-9]+)?) ?((?<unit>[kmgt])((?<decimal>b)|i?b?)|b)?$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}

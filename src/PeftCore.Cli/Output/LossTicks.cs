namespace PeftCore.Cli.Output;

/// <summary>The ticks of a loss axis: the usual digits of a logarithmic axis for a wide range, round linear steps for a narrow one, so that
/// the axis is not much longer than the range of the losses.</summary>
internal static class LossTicks
{
    private const int Wanted = 6;
    private const double Close = 3, Least = 1e-4;

    private static readonly double[] Digits = [1, 1.5, 2, 3, 5, 7];
    private static readonly double[] Steps = [1, 2, 2.5, 5, 10];

    /// <summary>Ascending ticks, the first at or below the lowest loss, the last at or above the highest; at least two.</summary>
    public static List<double> Between(double lowest, double highest)
    {
        lowest = Math.Max(lowest, Least);
        highest = Math.Max(highest, lowest * 1.001);
        return highest > Close * lowest ? Logarithmic(lowest, highest) : Even(lowest, highest);
    }

    private static List<double> Logarithmic(double lowest, double highest)
    {
        int first = (int)Math.Floor(Math.Log10(lowest)), last = (int)Math.Ceiling(Math.Log10(highest));
        var all = Enumerable.Range(first, last - first + 1).SelectMany(power => Digits.Select(digit => digit * Math.Pow(10, power)))
            .ToList();
        double bottom = all.Last(tick => tick <= lowest), top = all.First(tick => tick >= highest);
        return [.. all.Where(tick => tick >= bottom && tick <= top)];
    }

    private static List<double> Even(double lowest, double highest)
    {
        double rough = (highest - lowest) / Wanted, power = Math.Pow(10, Math.Floor(Math.Log10(rough))),
            step = power * Steps.First(digit => digit * power >= rough);
        long first = (long)Math.Floor(lowest / step), last = (long)Math.Ceiling(highest / step);
        return [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => Math.Round((first + i) * step, 10)).Where(tick => tick > 0)];
    }
}

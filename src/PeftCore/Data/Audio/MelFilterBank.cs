namespace PeftCore.Data;

/// <summary>Triangular filters at equal distances on the mel scale of Slaney's Auditory Toolbox (1998), which is linear below 1,000 Hz and
/// logarithmic above; the area of each filter is the same.</summary>
internal sealed class MelFilterBank
{
    private const double LinearHertz = 200.0 / 3, FirstLogHertz = 1000, FirstLogMel = FirstLogHertz / LinearHertz;

    // A factor of 6.4 in frequency is 27 mels.
    private static readonly double LogStep = Math.Log(6.4) / 27;

    private readonly (int First, double[] Weights)[] _filters;

    /// <summary>Computes the filters.</summary>
    /// <param name="filters">Number of filters.</param>
    /// <param name="bins">Frequencies of a spectrum, from 0 to half of the rate.</param>
    /// <param name="rate">Samples a second.</param>
    /// <param name="highest">The upper end of the last filter, in hertz.</param>
    public MelFilterBank(int filters, int bins, int rate, double highest)
    {
        double[] edges = [.. Enumerable.Range(0, filters + 2).Select(i => ToHertz(ToMel(highest) * i / (filters + 1)))];
        double width = (double)(rate / 2) / (bins - 1);
        _filters = [.. Enumerable.Range(0, filters).Select(i => Filter(edges[i], edges[i + 1], edges[i + 2], width, bins))];
    }

    /// <summary>Number of filters.</summary>
    public int Count => _filters.Length;

    /// <summary>The energy that a filter passes of a power spectrum.</summary>
    public double Apply(int filter, ReadOnlySpan<double> power)
    {
        var (first, weights) = _filters[filter];
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            sum += weights[i] * power[first + i];
        }
        return sum;
    }

    /// <summary>Frequency to mels.</summary>
    public static double ToMel(double hertz) =>
        hertz < FirstLogHertz ? hertz / LinearHertz : FirstLogMel + Math.Log(hertz / FirstLogHertz) / LogStep;

    /// <summary>Mels to frequency.</summary>
    public static double ToHertz(double mel) =>
        mel < FirstLogMel ? mel * LinearHertz : FirstLogHertz * Math.Exp((mel - FirstLogMel) * LogStep);

    // The bins with a positive weight lie next to each other.
    private static (int, double[]) Filter(double low, double center, double high, double width, int bins)
    {
        double scale = 2 / (high - low);
        int first = (int)Math.Ceiling(low / width);
        var weights = new List<double>();
        for (int bin = first; bin < bins && bin * width < high; bin++)
        {
            double hertz = bin * width;
            weights.Add(scale * Math.Max(0, Math.Min((hertz - low) / (center - low), (high - hertz) / (high - center))));
        }
        return (first, [.. weights]);
    }
}

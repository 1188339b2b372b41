namespace PeftCore.Data;

/// <summary>Splits samples into training and validation.</summary>
public static class ValidationSplit
{
    private const uint Stream = uint.MaxValue; // A stream that no epoch uses.

    /// <summary>Splits samples at random by seed; both parts keep the order of the samples, and neither is empty.</summary>
    /// <param name="samples">All samples.</param>
    /// <param name="fraction">Fraction of the validation samples, between 0 and 1.</param>
    /// <param name="seed">The seed of the run.</param>
    /// <exception cref="BadInputException">The fraction is out of range, or there are fewer than two samples.</exception>
    public static (List<T> Train, List<T> Validation) Split<T>(IReadOnlyList<T> samples, double fraction, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(samples);
        if (!(fraction > 0 && fraction < 1))
        {
            throw new BadInputException($"validation_split is {fraction}, expected a fraction between 0 and 1, such as 0.1.");
        }

        if (samples.Count < 2)
        {
            throw new BadInputException(
                $"validation_split needs at least 2 samples, but there is {samples.Count}; give validation data in a file of its own.");
        }

        int count = Math.Clamp((int)Math.Round(samples.Count * fraction), 1, samples.Count - 1);
        HashSet<int> chosen = [.. SeededOrder.Permutation(samples.Count, seed, Stream).Take(count)];
        return ([.. samples.Where((_, i) => !chosen.Contains(i))], [.. samples.Where((_, i) => chosen.Contains(i))]);
    }
}

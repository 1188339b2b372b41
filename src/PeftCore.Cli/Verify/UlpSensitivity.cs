using System.Globalization;
using PeftCore.Backends;
using PeftCore.Nn;

namespace PeftCore.Cli.Verify;

/// <summary>Separates wrong numbers from numbers that single precision does not determine. Where weights are so large that softmax
/// saturates, a change in the last place of a parameter moves a gradient by more than the tolerance, and two correct programs differ by
/// as much. If a comparison fails, all values are computed again from parameters changed by one unit in the last place (ulp). The largest
/// change of the quantity is its sensitivity; an error that it explains is undetermined, a larger one is a failure. An error of less than
/// an ulp of the largest gradient is undetermined as well: a gradient that is truly zero, such as that of a bias which shifts all scores
/// under a softmax, is the rounding of sums of such numbers.</summary>
/// <param name="expected">The reference values.</param>
/// <param name="values">Our values, by name.</param>
/// <param name="recompute">Recomputes our values with parameters changed by one ulp, from a seed.</param>
internal sealed class UlpSensitivity(Expected expected, IReadOnlyDictionary<string, float[]> values,
    Func<int, IReadOnlyDictionary<string, float[]>> recompute)
{
    private const int Trials = 8;

    /// <summary>The largest error, as a multiple of the sensitivity, that rounding explains: a program rounds every intermediate value,
    /// the trials change only the parameters.</summary>
    private const double Allowance = 4;

    /// <summary>The largest error that counts as rounding, however large the sensitivity; a flipped sign has an error of 2.</summary>
    private const double LargestError = 0.5;

    public List<Comparison> Judge(List<Comparison> results)
    {
        if (!results.Exists(quantity => !quantity.Passed && values.ContainsKey(quantity.Name)))
        {
            return results;
        }
        var trials = Enumerable.Range(1, Trials).Select(recompute).ToList();
        return results.ConvertAll(quantity => quantity.Passed || !values.TryGetValue(quantity.Name, out float[]? ours) ? quantity
            : Judge(quantity, trials.Max(trial => expected.Distance(quantity.Name, trial[quantity.Name], ours))));
    }

    private Comparison Judge(Comparison quantity, double moved)
    {
        if (quantity.Error <= expected.UlpOfLargestGradient(quantity.Name))
        {
            return quantity with { Undetermined = true, Note = "less than one unit in the last place of the largest gradient" };
        }
        string note = $"one unit in the last place of the parameters moves it by {moved.ToString("0.0e+00", CultureInfo.InvariantCulture)}";
        return quantity with
        {
            Undetermined = quantity.Error <= Math.Min(Allowance * moved, LargestError),
            Note = quantity.Note is null ? note : $"{quantity.Note}; {note}",
        };
    }

    /// <summary>Multiplies each element by 1, or by 1 ± 2⁻²³.</summary>
    public static void Nudge(IEnumerable<Parameter> parameters, int seed)
    {
        var random = new Random(seed);
        foreach (var parameter in parameters)
        {
            float[] values = Array.ConvertAll(parameter.Value.ToFloats(), x => x * (1 + random.Next(-1, 2) * MathF.ScaleB(1, -23)));
            parameter.Value.Upload(values);
        }
    }
}

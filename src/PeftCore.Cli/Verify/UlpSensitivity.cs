using System.Globalization;
using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Peft;

namespace PeftCore.Cli.Verify;

/// <summary>Some numbers are not determined in single precision: with weights so large that softmax is all or nothing, a change in the last
/// place of a parameter moves a gradient by more than the tolerance, and no two programs agree on it. Where a quantity fails, everything is
/// computed again from parameters changed by one unit in the last place, and its line says what that alone moves it by. It fails all the
/// same.</summary>
internal sealed class UlpSensitivity(Expected expected, IReadOnlyDictionary<string, float[]> values,
    Func<int, IReadOnlyDictionary<string, float[]>> again)
{
    private const int Trials = 8;

    /// <summary>A program rounds at many places, the trials only at the parameters.</summary>
    private const double Allowance = 4;

    public List<Comparison> Judge(List<Comparison> results)
    {
        if (!results.Exists(quantity => !quantity.Passed && values.ContainsKey(quantity.Name)))
        {
            return results;
        }
        var trials = Enumerable.Range(1, Trials).Select(again).ToList();
        return results.ConvertAll(quantity => quantity.Passed || !values.TryGetValue(quantity.Name, out float[]? ours) ? quantity
            : Judge(quantity, trials.Max(trial => expected.Distance(quantity.Name, trial[quantity.Name], ours))));
    }

    private static Comparison Judge(Comparison quantity, double moved)
    {
        string note = $"one unit in the last place of the parameters moves it by {moved.ToString("0.0e+00", CultureInfo.InvariantCulture)}";
        return quantity with
        {
            Undetermined = quantity.Error <= Allowance * moved,
            Note = quantity.Note is null ? note
            : $"{quantity.Note}; {note}"
        };
    }

    /// <summary>Multiplies each element by 1, or by 1 ± 2⁻²³.</summary>
    public static void Nudge(IBackend backend, PeftModel model, int seed)
    {
        var random = new Random(seed);
        foreach (var (_, parameter) in model.Parameters)
        {
            float[] values = Array.ConvertAll(parameter.Value.ToFloats(), x => x * (1 + random.Next(-1, 2) * MathF.ScaleB(1, -23)));
            backend.Upload(MemoryMarshal.AsBytes<float>(values), parameter.Value);
        }
    }
}

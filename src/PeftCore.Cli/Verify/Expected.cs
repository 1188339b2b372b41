using System.Runtime.InteropServices;
using PeftCore.Io;

namespace PeftCore.Cli.Verify;

/// <summary>The reference values of one expected.safetensors, and the definition of errors.</summary>
internal sealed class Expected : IDisposable
{
    private readonly WeightSource _source;

    public Expected(string path)
    {
        _source = WeightSource.OpenFile(path);
        LargestGradient = LargestOf("grad.");
        LargestTrained = LargestOf("adamw.base", "adamw.prompt", "final.");
    }

    public double LargestGradient { get; }

    public double LargestTrained { get; }

    public IEnumerable<string> Names => _source.Names.Order(StringComparer.Ordinal);

    public bool Has(string name) => _source.TryGet(name, out _);

    public int Extent(string name, int axis) => (int)_source.Get(name).Shape[axis];

    public int[] Shape(string name) => [.. _source.Get(name).Shape.Select(extent => (int)extent)];

    public float[] Floats(string name) => MemoryMarshal.Cast<byte, float>(_source.Get(name).Bytes).ToArray();

    public ReadOnlySpan<byte> Bytes(string name) => _source.Get(name).Bytes;

    public int[] Ints(string name)
    {
        var entry = _source.Get(name);
        return entry.DType == "I32"
            ? MemoryMarshal.Cast<byte, int>(entry.Bytes).ToArray()
            : Array.ConvertAll(MemoryMarshal.Cast<byte, long>(entry.Bytes).ToArray(), checked(value => (int)value));
    }

    public double Error(string name, ReadOnlySpan<float> ours, double floor = 0) => Error(ours, Floats(name), floor, null);

    public double GradientError(string name, ReadOnlySpan<float> ours, double floor) => Error(name, ours, floor * LargestGradient);

    /// <summary>The error of a trained tensor over the elements whose first gradient exceeds the noise level, and the number of the other
    /// elements.</summary>
    public (double Error, int LeftOut) TrainedError(string name, string gradientName, ReadOnlySpan<float> ours, Tolerances tolerances)
    {
        float[] gradient = Floats(gradientName);
        if (!AreFinite(gradient))
        {
            return (double.PositiveInfinity, 0);
        }
        bool[] counts = Array.ConvertAll(gradient, g => Math.Abs(g) > tolerances.Noise * LargestGradient);
        return (Error(ours, Floats(name), tolerances.Floor * LargestTrained, counts), counts.Count(count => !count));
    }

    /// <summary>The difference between two of our results, on the scale of this tensor's error.</summary>
    public double Distance(string name, float[] one, float[] other) =>
        Error(one, other, 0, null) * other.Max(Math.Abs) / ScaleOf(name);

    /// <summary>An ulp of the largest gradient, on the scale of a gradient's error; 0 for what is no gradient.</summary>
    public double UlpOfLargestGradient(string name) =>
        name.StartsWith("grad.", StringComparison.Ordinal) ? Math.ScaleB(LargestGradient, -23) / ScaleOf(name) : 0;

    private double ScaleOf(string name)
    {
        double floor = Tolerances.Single.Floor * (name.StartsWith("grad.", StringComparison.Ordinal) ? LargestGradient
            : name.StartsWith("adamw.base", StringComparison.Ordinal) ? LargestTrained : 0);
        return Math.Max(floor, Floats(name).Max(Math.Abs));
    }

    public void Dispose() => _source.Dispose();

    private static double Error(ReadOnlySpan<float> ours, float[] reference, double floor, bool[]? counts)
    {
        // Relative to an infinite reference every error would be 0, and comparisons with NaN are always false.
        if (ours.Length != reference.Length || !double.IsFinite(floor) || !AreFinite(reference) || !AreFinite(ours))
        {
            return double.PositiveInfinity;
        }
        double worst = 0, largest = floor;
        for (int i = 0; i < reference.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(reference[i]));
            double difference = counts is null || counts[i] ? Math.Abs((double)ours[i] - reference[i]) : 0;
            worst = Math.Max(worst, difference);
        }
        return largest == 0 ? worst : worst / largest;
    }

    private static bool AreFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
            {
                return false;
            }
        }
        return true;
    }

    private double LargestOf(params ReadOnlySpan<string> prefixes)
    {
        double largest = 0;
        foreach (string name in _source.Names)
        {
            foreach (string prefix in prefixes)
            {
                if (name.StartsWith(prefix, StringComparison.Ordinal))
                {
                    largest = Math.Max(largest, Floats(name).Max(Math.Abs));
                }
            }
        }
        return largest;
    }
}

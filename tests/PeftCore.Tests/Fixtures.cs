using System.Runtime.InteropServices;
using PeftCore.Io;

namespace PeftCore.Tests;

/// <summary>Files written by the reference implementation.</summary>
internal static class Fixtures
{
    public static float[] Floats(WeightSource source, string name) => MemoryMarshal.Cast<byte, float>(source.Get(name).Bytes).ToArray();

    public static int[] Ints(WeightSource source, string name)
    {
        var entry = source.Get(name);
        return entry.DType == "I32"
            ? MemoryMarshal.Cast<byte, int>(entry.Bytes).ToArray()
            : Array.ConvertAll(MemoryMarshal.Cast<byte, long>(entry.Bytes).ToArray(), checked(value => (int)value));
    }

    /// <summary>max|ours − reference| over the larger of max|reference| and a floor.</summary>
    public static double Error(ReadOnlySpan<float> ours, ReadOnlySpan<float> reference, double floor = 0)
    {
        Assert.That(ours.Length, Is.EqualTo(reference.Length));
        double worst = 0, largest = floor;
        for (int i = 0; i < ours.Length; i++)
        {
            double difference = Math.Abs((double)ours[i] - reference[i]);
            worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
            largest = Math.Max(largest, Math.Abs(reference[i]));
        }
        return largest == 0 ? worst : worst / largest;
    }
}

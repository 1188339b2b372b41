using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Scaling of rotary frequencies for longer contexts.</summary>
/// <param name="Type">"default", "linear" or "llama3".</param>
/// <param name="Factor">The factor by which the context is extended.</param>
/// <param name="LowFrequencyFactor">llama3: wavelengths above original/this are multiplied by the factor.</param>
/// <param name="HighFrequencyFactor">llama3: wavelengths below original/this are unchanged.</param>
/// <param name="OriginalLength">llama3: context length of pre-training.</param>
internal sealed record RopeScaling(string Type, float Factor = 1, float LowFrequencyFactor = 1, float HighFrequencyFactor = 4,
    int OriginalLength = 8192);

/// <summary>Tables of cos(p·f) and sin(p·f) for rotary positions (Su et al. 2021), cached for the longest sequence so far.</summary>
internal sealed class Rotary(int dimension, double theta, RopeScaling scaling, bool interleaved = false) : IDisposable
{
    private RopeTables? _tables;

    /// <summary>Tables of at least <paramref name="length"/> positions.</summary>
    public RopeTables Tables(Backend backend, int length)
    {
        if (_tables is null || _tables.Cos.Shape[0] < length || _tables.Cos.Device != backend)
        {
            Dispose();
            _tables = Build(backend, length);
        }
        return _tables;
    }

    public void Dispose()
    {
        _tables?.Cos.Dispose();
        _tables?.Sin.Dispose();
        _tables = null;
    }

    /// <summary>f = θ^(−2i/d), scaled.</summary>
    internal double[] Frequencies()
    {
        double[] frequencies = new double[dimension / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = Stretch(Math.Pow(theta, -2.0 * i / dimension));
        }
        return frequencies;
    }

    /// <summary>Llama 3 (Dubey et al. 2024): frequencies of short wavelengths are unchanged, of long ones divided by the factor, and
    /// between them interpolated.</summary>
    private double Stretch(double frequency)
    {
        if (scaling.Type == "linear")
        {
            return frequency / scaling.Factor;
        }
        if (scaling.Type != "llama3")
        {
            return frequency;
        }
        double wavelength = 2 * Math.PI / frequency;
        double turns = scaling.OriginalLength / wavelength;
        if (turns > scaling.HighFrequencyFactor)
        {
            return frequency;
        }
        if (turns < scaling.LowFrequencyFactor)
        {
            return frequency / scaling.Factor;
        }
        double keep = (turns - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return (1 - keep) * frequency / scaling.Factor + keep * frequency;
    }

    private RopeTables Build(Backend backend, int length)
    {
        // Angles in single precision, as in transformers: at high positions double precision would differ from it.
        float[] frequencies = Array.ConvertAll(Frequencies(), f => (float)f);
        float[] cos = new float[length * frequencies.Length];
        float[] sin = new float[length * frequencies.Length];
        for (int p = 0, at = 0; p < length; p++)
        {
            foreach (float frequency in frequencies)
            {
                float angle = p * frequency;
                cos[at] = MathF.Cos(angle);
                sin[at++] = MathF.Sin(angle);
            }
        }
        Shape shape = [length, frequencies.Length];
        return new RopeTables(backend.From(cos, shape, MemoryKind.Frozen).Keep(), backend.From(sin, shape, MemoryKind.Frozen).Keep(),
            interleaved);
    }
}

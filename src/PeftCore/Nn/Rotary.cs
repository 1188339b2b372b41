using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>How rotary frequencies are stretched for longer contexts.</summary>
/// <param name="Type">"default", "linear" or "llama3".</param>
/// <param name="Factor">Stretch of the context.</param>
/// <param name="LowFrequencyFactor">llama3: wavelengths over original/this are stretched whole.</param>
/// <param name="HighFrequencyFactor">llama3: wavelengths under original/this stay.</param>
/// <param name="OriginalLength">llama3: context length the model was first trained for.</param>
internal sealed record RopeScaling(string Type, float Factor = 1, float LowFrequencyFactor = 1, float HighFrequencyFactor = 4,
    int OriginalLength = 8192);

/// <summary>Rotary position tables of a model, made once for the longest sequence seen so far.</summary>
internal sealed class Rotary(int dimension, double theta, RopeScaling scaling, bool interleaved = false) : IDisposable
{
    private RopeTables? _tables;

    /// <summary>Tables that reach at least <paramref name="length"/> positions.</summary>
    public RopeTables Tables(IBackend backend, int length)
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

    /// <summary>θ^(−2i/d), stretched as the configuration says.</summary>
    internal double[] Frequencies()
    {
        double[] frequencies = new double[dimension / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = Stretch(Math.Pow(theta, -2.0 * i / dimension));
        }
        return frequencies;
    }

    /// <summary>Llama 3 (Dubey et al. 2024) keeps short wavelengths, divides long ones by the factor, and blends between.</summary>
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

    private RopeTables Build(IBackend backend, int length)
    {
        // The reference computes the angles in single precision; doing the same keeps far positions equal to it.
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

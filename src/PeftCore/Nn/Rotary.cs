using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Rotary positions of a layer.</summary>
/// <param name="Theta">θ, the base of the frequencies.</param>
/// <param name="Scaling">What longer contexts change.</param>
/// <param name="Dimension">d, the first columns of a head, which turn; the others do not.</param>
/// <param name="Interleaved">Columns 2i and 2i + 1 turn together (GPT-J) rather than i and i + d/2 (GPT-NeoX, LLaMA).</param>
internal sealed record RopeSpec(double Theta, RopeScaling Scaling, int Dimension, bool Interleaved = false);

/// <summary>Tables of cos(p·f) and sin(p·f) for rotary positions (Su et al. 2021), cached for the longest sequence so far.</summary>
internal sealed class Rotary(RopeSpec spec) : IDisposable
{
    private readonly Lock _lock = new();
    private RopeTables? _tables;
    private int _key;

    /// <summary>How many times the tables were made.</summary>
    public int Version { get; private set; }

    /// <summary>What the tables depend on besides the number of positions: see <see cref="RopeScaling.LengthKey"/>.</summary>
    /// <param name="length">Length of the sequence.</param>
    public int LengthKey(int length) => spec.Scaling.LengthKey(length);

    /// <summary>Tables of at least <paramref name="rows"/> positions, as views in the current scope: another thread may replace the tables
    /// meanwhile.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="rows">Positions.</param>
    /// <param name="length">Length of the sequence.</param>
    public RopeTables Tables(Backend backend, int rows, int length)
    {
        int key = LengthKey(length);
        lock (_lock)
        {
            if (_tables is null || _tables.Cos.Shape[0] < rows || _tables.Cos.Device != backend || _key != key)
            {
                Dispose();
                (_tables, _key) = (Build(backend, rows, length), key);
                Version++;
            }
            return _tables with { Cos = _tables.Cos.View(_tables.Cos.Shape), Sin = _tables.Sin.View(_tables.Sin.Shape) };
        }
    }

    public void Dispose()
    {
        _tables?.Cos.Dispose();
        _tables?.Sin.Dispose();
        _tables = null;
    }

    private RopeTables Build(Backend backend, int rows, int length)
    {
        // Angles in single precision, as in transformers: at high positions double precision would differ from it.
        float[] frequencies = Array.ConvertAll(spec.Scaling.Frequencies(spec.Theta, spec.Dimension, length), f => (float)f);
        float[] cos = new float[rows * frequencies.Length];
        float[] sin = new float[rows * frequencies.Length];
        float factor = spec.Scaling.AttentionFactor;
        for (int p = 0, at = 0; p < rows; p++)
        {
            foreach (float frequency in frequencies)
            {
                float angle = p * frequency;
                cos[at] = MathF.Cos(angle) * factor;
                sin[at++] = MathF.Sin(angle) * factor;
            }
        }
        Shape shape = [rows, frequencies.Length];
        return new RopeTables(backend.From(cos, shape, MemoryKind.Frozen).Keep(), backend.From(sin, shape, MemoryKind.Frozen).Keep(),
            spec.Interleaved);
    }
}

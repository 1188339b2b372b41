using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Sinusoidal positions (Vaswani et al. 2017), with all sines before all cosines: row p is sin(p·f₀) … , cos(p·f₀) …,
/// fᵢ = 10000^(−i/steps).</summary>
/// <param name="rows">Positions.</param>
/// <param name="columns">Size of a hidden state, C.</param>
/// <param name="steps">C/2, or C/2 − 1 in Whisper, whose last frequency is 1/10000.</param>
internal sealed class SinusoidalTable(int rows, int columns, int steps) : IDisposable
{
    private readonly Lock _lock = new();
    private Tensor? _table;

    /// <summary>The table of the weight file, which need not be that of the formula; null without one.</summary>
    public Tensor? Stored { get; private set; }

    /// <summary>Reads the table of the weight file.</summary>
    public void Read(WeightEntry entry, Backend backend)
    {
        var stored = new Nn.Parameter([rows, columns]);
        WeightReader.Read(entry, stored, backend, DType.F32);
        Stored = _table = stored.Value;
    }

    /// <summary>The rows of positions.</summary>
    public Tensor Rows(Tensor positions)
    {
        lock (_lock)
        {
            if (_table is null || _table.Device != positions.Device)
            {
                Dispose();
                _table = positions.Backend.From(Values(), [rows, columns], MemoryKind.Frozen).Keep();
            }
            return _table.Rows(positions);
        }
    }

    public void Dispose()
    {
        _table?.Dispose();
        _table = null;
    }

    private float[] Values()
    {
        int half = columns / 2;
        float[] values = new float[rows * columns];
        for (int p = 0; p < rows; p++)
        {
            for (int i = 0; i < half; i++)
            {
                double angle = p / Math.Pow(10000, (double)i / steps);
                values[p * columns + i] = (float)Math.Sin(angle);
                values[p * columns + half + i] = (float)Math.Cos(angle);
            }
        }
        return values;
    }
}

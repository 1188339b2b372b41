using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The sinusoidal embedding of a step of the noise schedule (Ho et al. 2020): sines and cosines of
/// t·10000^(−i/(n − shift)), i below n = C/2. It has no parameters.</summary>
internal sealed class TimeWaves(UNetConfig config) : Module
{
    /// <summary>Steps of a noise schedule; the embedding has a row for each.</summary>
    public const int Steps = 1000;

    private readonly Lock _lock = new();
    private Tensor? _table;

    /// <summary>C, the columns of the embedding.</summary>
    public int Columns => config.Levels[0].Channels;

    /// <summary>Embeds steps, I32 (B).</summary>
    /// <returns>F32 (B, C)</returns>
    public Tensor Forward(Tensor steps)
    {
        Tensor table;
        lock (_lock) // Passes of several threads share the table.
        {
            if (_table is null || _table.Device != steps.Device)
            {
                FreeTable();
                _table = steps.Backend.From(Values(config, Columns), [Steps, Columns], MemoryKind.Frozen).Keep();
            }
            table = _table;
        }
        return table.Rows(steps);
    }

    private protected override void OnDispose() => FreeTable();

    private static float[] Values(UNetConfig config, int columns)
    {
        int half = columns / 2;
        float[] values = new float[Steps * columns];
        for (int t = 0; t < Steps; t++)
        {
            for (int i = 0; i < half; i++)
            {
                // diffusers computes the frequencies in float32.
                float frequency = MathF.Exp(-MathF.Log(10000) * i / (float)(half - config.FrequencyShift)), angle = t * frequency;
                var (sin, cos) = MathF.SinCos(angle);
                values[t * columns + i] = config.FlipSinToCos ? cos : sin;
                values[t * columns + half + i] = config.FlipSinToCos ? sin : cos;
            }
        }
        return values;
    }

    private void FreeTable()
    {
        _table?.Dispose();
        _table = null;
    }
}

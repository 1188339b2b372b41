using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The embedding of a step of the noise schedule (Ho et al. 2020): sines and cosines of t·10000^(−i/(n − shift)), i below
/// n = C/2, then two linear layers with an activation between them.</summary>
internal sealed class TimeEmbedding : Module
{
    /// <summary>Steps of a noise schedule; the embedding has a row for each.</summary>
    public const int Steps = 1000;

    private readonly UNetConfig _config;
    private readonly int _columns;
    private readonly Linear _first;
    private readonly Linear _second;
    private Tensor? _table;

    /// <summary>Declares the layers.</summary>
    public TimeEmbedding(UNetConfig config)
    {
        _config = config;
        _columns = config.Levels[0].Channels;
        _first = Add("linear_1", new Linear(_columns, config.TimeChannels, bias: true));
        _second = Add("linear_2", new Linear(config.TimeChannels, config.TimeChannels, bias: true));
    }

    /// <summary>Embeds steps, I32 (B).</summary>
    /// <returns>(B, time channels)</returns>
    public Tensor Forward(Tensor steps)
    {
        using var scope = new TensorScope(Name);
        if (_table is null || _table.Device != steps.Device)
        {
            FreeTable();
            _table = steps.Backend.From(Values(_config, _columns), [Steps, _columns], MemoryKind.Frozen).Keep();
        }
        var waves = _table.Rows(steps);
        return scope.Return(_second.Forward(Activations.Apply(_config.Activation)(_first.Forward(waves))));
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

using PeftCore.Models;

namespace PeftCore.Tests.Models;

/// <summary>The class embedding of a row in double precision, by the loops of its definition.</summary>
internal sealed class NaiveClassEmbedding
{
    private const int Channels = 8, Time = 32;

    private readonly Dictionary<string, float[]> _values;
    private readonly ClassInput _input;
    private readonly double[] _x;
    private readonly double[] _h = [];

    public NaiveClassEmbedding(ClassInput input, float[] label, Dictionary<string, float[]> values)
    {
        (_input, _values) = (input, values);
        _x = _input.Kind switch
        {
            ClassEmbeddingKind.Timestep => Waves(label[0]),
            ClassEmbeddingKind.Table => [.. Enumerable.Range(0, _input.Size).Select(i => i == label[0] ? 1.0 : 0)],
            _ => Array.ConvertAll(label, value => (double)value),
        };
        if (_input.Kind is ClassEmbeddingKind.Timestep or ClassEmbeddingKind.Projection)
        {
            _h = Linear("linear_1", _x);
            Embedding = Linear("linear_2", Array.ConvertAll(_h, Silu));
            return;
        }
        Embedding = _input.Kind switch
        {
            ClassEmbeddingKind.Table => [.. _values["class_embedding.weight"].Skip((int)label[0] * Time).Take(Time).Select(value => (double)value)],
            ClassEmbeddingKind.SimpleProjection => Linear("", _x),
            _ => _x,
        };
    }

    public double[] Embedding { get; }

    public static double Silu(double x) => x / (1 + Math.Exp(-x));

    public static double SiluSlope(double x) => (1 + x * (1 - 1 / (1 + Math.Exp(-x)))) / (1 + Math.Exp(-x));

    /// <summary>The gradients of the parameters, from that of the embedding.</summary>
    public Dictionary<string, double[]> Backward(double[] g)
    {
        switch (_input.Kind)
        {
            case ClassEmbeddingKind.Identity:
                return [];
            case ClassEmbeddingKind.Table:
                return new() { ["class_embedding.weight"] = Outer(_x, g) };
            case ClassEmbeddingKind.SimpleProjection:
                return new() { ["class_embedding.weight"] = Outer(g, _x), ["class_embedding.bias"] = g };
            default:
                float[] w = _values["class_embedding.linear_2.weight"];
                double[] ofH = [.. _h.Select((h, j) => SiluSlope(h) * Enumerable.Range(0, Time).Sum(i => w[i * Time + j] * g[i]))];
                return new()
                {
                    ["class_embedding.linear_2.weight"] = Outer(g, Array.ConvertAll(_h, Silu)),
                    ["class_embedding.linear_2.bias"] = g,
                    ["class_embedding.linear_1.weight"] = Outer(ofH, _x),
                    ["class_embedding.linear_1.bias"] = ofH,
                };
        }
    }

    private double[] Linear(string name, double[] x)
    {
        string path = name.Length == 0 ? "class_embedding" : "class_embedding." + name;
        float[] w = _values[path + ".weight"], b = _values[path + ".bias"];
        return [.. b.Select((bias, i) => bias + Enumerable.Range(0, x.Length).Sum(j => w[i * x.Length + j] * x[j]))];
    }

    /// <summary>Cosines and then sines of t·10000^(−i/4).</summary>
    private static double[] Waves(double t)
    {
        const int Half = Channels / 2;
        double[] angles = [.. Enumerable.Range(0, Half).Select(i => t * Math.Pow(10000, -i / (double)Half))];
        return [.. angles.Select(Math.Cos), .. angles.Select(Math.Sin)];
    }

    private static double[] Outer(double[] rows, double[] columns) =>
        [.. rows.SelectMany(row => columns.Select(column => row * column))];
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The parameters of a small network, by their names in files, with PyTorch's usual initialisations.</summary>
/// <param name="context">Allocates the parameters.</param>
/// <param name="firstStream">Random stream of the first parameter; each uses the next.</param>
internal sealed class NamedParameters(AttachContext context, ulong firstStream = 0)
{
    private readonly List<(string Name, Parameter Parameter)> _all = [];

    public IReadOnlyList<(string Name, Parameter Parameter)> All => _all;

    private ulong Stream => firstStream + (ulong)_all.Count;

    /// <summary>N(0, deviation²).</summary>
    public Parameter Normal(string name, Shape shape, float deviation = 1) => New(name, shape).Normal(0, deviation, context.Seed, Stream);

    /// <summary>N(0, deviation²) truncated at two standard deviations.</summary>
    public Parameter TruncatedNormal(string name, Shape shape, float deviation)
    {
        var parameter = New(name, shape);
        float[] values = new float[shape.Count];
        ulong draw = 0;
        for (int i = 0; i < values.Length;)
        {
            // Box–Muller transform of two uniform numbers, repeated until the result is within bounds.
            double length = Math.Sqrt(-2 * Math.Log(1 - Uniform())), angle = 2 * Math.PI * Uniform();
            double normal = length * Math.Cos(angle);
            if (Math.Abs(normal) <= 2)
            {
                values[i++] = deviation * (float)normal;
            }
        }
        parameter.Value.Upload<float>(values);
        return parameter;

        double Uniform() => Philox.Uniform(context.Seed, Stream, draw++);
    }

    /// <summary>U(−bound, bound).</summary>
    public Parameter Uniform(string name, Shape shape, float bound) => New(name, shape).Uniform(bound, context.Seed, Stream);

    /// <summary>All elements equal.</summary>
    public Parameter Constant(string name, Shape shape, float value) => New(name, shape).Fill(value);

    /// <summary>x·Wᵀ + b with PyTorch's initialisation of a linear layer: W and b uniform in ±1/√inputs.</summary>
    public Func<Tensor, Tensor> Linear(string name, int inputs, int outputs)
    {
        float bound = 1 / MathF.Sqrt(inputs);
        Parameter weight = Uniform(name + ".weight", [outputs, inputs], bound), bias = Uniform(name + ".bias", [outputs], bound);
        return x => x.Linear(weight.Value, bias.Value);
    }

    private Parameter New(string name, Shape shape)
    {
        var parameter = context.NewParameter(shape);
        _all.Add((name, parameter));
        return parameter;
    }
}

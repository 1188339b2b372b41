using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>The parameters of a network that makes a prompt, by Hugging Face's names, started as PyTorch starts them.</summary>
internal sealed class EncoderWeights(AttachContext context)
{
    private readonly List<(string Name, Parameter Parameter)> _all = [];

    public IReadOnlyList<(string Name, Parameter Parameter)> All => _all;

    /// <summary>A table of standard normal numbers.</summary>
    public Parameter Table(string name, Shape shape, float deviation = 1)
    {
        var table = New(name, shape);
        context.Backend.FillNormal(table.Value, 0, deviation, context.Seed, Stream);
        return table;
    }

    /// <summary>Uniform numbers in ±bound.</summary>
    public Parameter Uniform(string name, Shape shape, float bound)
    {
        var parameter = New(name, shape);
        context.Backend.FillUniform(parameter.Value, -bound, bound, context.Seed, Stream);
        return parameter;
    }

    /// <summary>An affine map: weight and bias uniform in ±1/√inputs.</summary>
    public Func<Tensor, Tensor> Linear(string name, int inputs, int outputs)
    {
        float bound = 1 / MathF.Sqrt(inputs);
        Parameter weight = Uniform(name + ".weight", [outputs, inputs], bound), bias = Uniform(name + ".bias", [outputs], bound);
        return x => x.Linear(weight.Value, bias.Value);
    }

    private ulong Stream => (ulong)_all.Count;

    private Parameter New(string name, Shape shape)
    {
        var parameter = context.NewParameter(shape);
        _all.Add((name, parameter));
        return parameter;
    }
}

using System.Globalization;
using System.Numerics.Tensors;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Peft;

namespace PeftCore.Lab.Engine;

/// <summary>Norms of gradients, summed by transformer block.</summary>
internal sealed class LayerNorms
{
    private const string Blocks = "layers.", Elsewhere = "elsewhere";

    private readonly List<(int Layer, Parameter Parameter)> _parameters;

    public LayerNorms(PeftModel model)
    {
        var named = model.Parameters.Select(p => (Name: NameOf(p.Name), p.Parameter)).ToList();
        Names = [.. named.Select(p => p.Name).Distinct().OrderBy(NumberOf)];
        _parameters = [.. named.Select(p => (Names.ToList().IndexOf(p.Name), p.Parameter))];
    }

    /// <summary>Names of the layers with trained parameters: "layers.0", …; parameters of no block are "elsewhere", the last.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>√(Σ g²) over the gradients of each layer; 0 for a parameter that the step gave no gradient.</summary>
    public IReadOnlyList<double> Measure()
    {
        double[] squares = new double[Names.Count];
        foreach (var (layer, parameter) in _parameters)
        {
            if (parameter.Gradient is { } gradient)
            {
                double[] values = Array.ConvertAll(gradient.ToFloats(), x => (double)x);
                squares[layer] += TensorPrimitives.SumOfSquares(values);
            }
        }
        return [.. squares.Select(Math.Sqrt)];
    }

    /// <summary>"layers.3" of "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight".</summary>
    private static string NameOf(string parameter)
    {
        int at = parameter.IndexOf("." + Blocks, StringComparison.Ordinal);
        if (at < 0)
        {
            return Elsewhere;
        }
        string rest = parameter[(at + 1 + Blocks.Length)..];
        string number = rest[..rest.AsSpan().IndexOfAnyExceptInRange('0', '9')];
        return number.Length > 0 ? Blocks + number : Elsewhere;
    }

    private static int NumberOf(string name) => name == Elsewhere ? int.MaxValue
        : int.Parse(name.AsSpan(Blocks.Length), NumberStyles.None, CultureInfo.InvariantCulture);
}

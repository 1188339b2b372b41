using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

/// <summary>Size classes of samples.</summary>
public enum Size
{
    /// <summary>Every extent 1.</summary>
    One,

    /// <summary>Small, different extents that do not divide each other.</summary>
    Odd,

    /// <summary>As many inputs of one shape as the op allows, so that one tensor can be several of them.</summary>
    Same,

    /// <summary>Larger than one vector, one block and one chunk.</summary>
    Large,

    /// <summary>No rows.</summary>
    Empty,
}

internal static class Sizes
{
    public static T Pick<T>(this Size size, T one, T odd, T same, T large, T empty) => size switch
    {
        Size.One => one,
        Size.Odd => odd,
        Size.Same => same,
        Size.Large => large,
        _ => empty,
    };
}

/// <summary>One op with all data for its tests.</summary>
/// <param name="Name">The name in the tests.</param>
/// <param name="Saves">The saved tensors, each as "name: the inputs of which at least one must require a gradient"; "*" is any
/// input.</param>
/// <param name="Sample">Inputs of a size class, the op, and its definition.</param>
internal sealed record OpEntry(string Name, string[] Saves, Func<Size, OpSample> Sample)
{
    /// <summary>Sizes that apply to this op.</summary>
    public Size[] Sizes { get; init; } = Enum.GetValues<Size>();

    /// <summary>Whether the op reuses its input's memory for its output, so that the input cannot be used again.</summary>
    public bool Consumes { get; init; }

    /// <summary>Number of contributions that neither the output nor a gradient depends on, so that a wrong sign there is not
    /// detected.</summary>
    public int Unread { get; init; }

    /// <summary>The largest error of a value or gradient, relative to the largest value of its kind.</summary>
    public double Tolerance { get; init; } = 2e-5;

    /// <summary>The names of the saved tensors if the inputs of a mask require gradients.</summary>
    public string[] SavedFor(OpSample sample, int mask) =>
        [.. Saves.Select(rule => rule.Split(": ")).Where(rule => IsNeeded(rule[1].Split(' '), sample, mask)).Select(rule => rule[0])];

    public override string ToString() => Name;

    private static bool IsNeeded(string[] users, OpSample sample, int mask) =>
        users is ["*"] || sample.Inputs.Where((input, i) => (mask >> i & 1) != 0).Any(input => users.Contains(input.Name));
}

/// <summary>An input of an op: its shape, and its values in the precision they are stored in.</summary>
internal sealed class OpInput
{
    private OpInput(string name, Shape shape) => (Name, Shape) = (name, shape);

    public string Name { get; }

    public Shape Shape { get; }

    public float[] Values { get; set; } = [];

    /// <summary>Only F32 can require a gradient; half precision is for frozen weights.</summary>
    public DType DType { get; private init; } = DType.F32;

    /// <summary>Whether the op captures the input, a parameter, instead of receiving it as an argument; it is never the output of another
    /// op.</summary>
    public bool IsCaptured { get; private init; }

    /// <summary>Changes the seeded values, for functions that are not smooth or not defined everywhere.</summary>
    public Func<float, float> Map { get; private init; } = value => value;

    public static OpInput Of(string name, params ReadOnlySpan<int> extents) => new(name, Shape.Of(extents));

    public static OpInput Frozen(string name, DType dtype, params ReadOnlySpan<int> extents) =>
        new(name, Shape.Of(extents)) { DType = dtype };

    public static OpInput Captured(string name, params ReadOnlySpan<int> extents) => new(name, Shape.Of(extents)) { IsCaptured = true };

    public static OpInput Mapped(string name, Func<float, float> map, params ReadOnlySpan<int> extents) =>
        new(name, Shape.Of(extents)) { Map = map };
}

/// <summary>An op with seeded inputs, and its naive definition in double precision.</summary>
internal sealed class OpSample
{
    public OpSample(OpInput[] inputs, Func<Tensor[], Tensor> apply, Func<double[][], double[]> reference)
    {
        (Inputs, Apply, Reference) = (inputs, apply, reference);
        for (int i = 0; i < inputs.Length; i++)
        {
            float[] values = Array.ConvertAll(Numbers.Random(100 + i, (int)inputs[i].Shape.Count, 1.5f), value => inputs[i].Map(value));
            if (inputs[i].DType != DType.F32)
            {
                Numbers.Store(values, inputs[i].DType.Element, out values);
            }
            inputs[i].Values = values;
        }
    }

    public OpInput[] Inputs { get; }

    public Func<Tensor[], Tensor> Apply { get; }

    public Func<double[][], double[]> Reference { get; }

    /// <summary>Every set of inputs that may require gradients, as bits; the full set first.</summary>
    public IEnumerable<int> Masks()
    {
        int all = Inputs.Select((input, i) => input.DType == DType.F32 ? 1 << i : 0).Sum();
        for (int mask = all; mask > 0; mask = (mask - 1) & all)
        {
            yield return mask;
        }
    }

    public double[][] Values() => Array.ConvertAll(Inputs, input => Array.ConvertAll(input.Values, value => (double)value));
}

using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

/// <summary>Gradients of Σ upstream·op(inputs) by central differences of the op's definition in double precision: the reference for every
/// backward.</summary>
internal sealed class Differences
{
    private const double Step = 1e-5;
    private const int MostElements = 40;
    private const int SomeElements = 3;

    private readonly OpSample _sample;
    private readonly int[]? _roles;
    private readonly Lazy<Slope[][]> _slopes;

    public Differences(OpSample sample, int[]? roles = null)
    {
        (_sample, _roles) = (sample, roles);
        Output = sample.Reference(Seen(sample.Values()));
        Upstream = Numbers.Random(7, Output.Length);
        _slopes = new(() => [.. sample.Inputs.Select((input, i) =>
            Directions((int)input.Shape.Count).Select(d => DirectionalDerivative(i, d)).ToArray())]);
    }

    /// <summary>The output by the definition.</summary>
    public double[] Output { get; }

    /// <summary>Seeded random numbers that the output is contracted with.</summary>
    public float[] Upstream { get; }

    /// <summary>The worst error of an output or gradient, over the largest value of its kind; infinite if a value is missing, unexpected or
    /// NaN.</summary>
    /// <param name="result">What the op computed.</param>
    /// <param name="run">How it was run.</param>
    public double ErrorOf(OpResult result, OpRun run)
    {
        double factor = run.Twice ? 3 : 1;
        double worst = Error(result.Output.Select((y, i) => ((double)y, factor * Output[i], 1.0)), result.Output.Length == Output.Length);
        for (int i = 0; i < _sample.Inputs.Length; i++)
        {
            bool wanted = (run.Mask >> i & 1) != 0 && (run.Roles is null || run.Roles[i] == i);
            float[]? found = result.Gradients[i];
            worst = Math.Max(worst, !wanted || found is null
                ? Error([], wanted == found is not null)
                : Error(_slopes.Value[i].Select(s => (s.Of(found), factor * s.Value, s.Length)),
                    found.Length == _sample.Inputs[i].Shape.Count));
        }
        return worst;
    }

    private static double Error(IEnumerable<(double Found, double Expected, double Length)> pairs, bool complete)
    {
        double worst = 0, largest = 1;
        foreach (var (found, expected, length) in pairs)
        {
            worst = double.IsFinite(found) ? Math.Max(worst, Math.Abs(found - expected) / length) : double.PositiveInfinity;
            largest = Math.Max(largest, Math.Abs(expected) / length);
        }
        return complete ? worst / largest : double.PositiveInfinity;
    }

    private Slope DirectionalDerivative(int input, double[] direction)
    {
        double above = Moved(input, direction, Step), below = Moved(input, direction, -Step);
        return new Slope(direction, (above - below) / (2 * Step));
    }

    private double Moved(int input, double[] direction, double by)
    {
        double[][] values = _sample.Values();
        values[input] = Naive.Zip(values[input], direction, (x, d) => x + by * d);
        return _sample.Reference(Seen(values)).Zip(Upstream, (y, g) => y * g).Sum();
    }

    /// <summary>The inputs by role. A tensor that is two inputs is perturbed in both, so its difference is the sum of both
    /// gradients.</summary>
    private double[][] Seen(double[][] values) => _roles is null ? values : [.. _roles.Select(role => values[role])];

    /// <summary>Along each element of a small tensor; along some of a large one, and along all of them at once.</summary>
    private static IEnumerable<double[]> Directions(int count)
    {
        bool small = count <= MostElements;
        var elements = small ? Enumerable.Range(0, count) : Enumerable.Range(0, SomeElements)
            .Select(i => (int)((long)i * (count - 1) / (SomeElements - 1)));
        foreach (int element in elements)
        {
            double[] direction = new double[count];
            direction[element] = 1;
            yield return direction;
        }
        if (!small)
        {
            yield return Array.ConvertAll(Numbers.Random(8, count), d => (double)d);
        }
    }

    /// <summary>The directional derivative of the contracted output.</summary>
    private sealed record Slope(double[] Direction, double Value)
    {
        public double Length { get; } = Math.Sqrt(Direction.Sum(d => d * d));

        public double Of(float[] gradient) => Direction.Zip(gradient, (d, g) => d == 0 ? 0 : d * g).Sum();
    }
}

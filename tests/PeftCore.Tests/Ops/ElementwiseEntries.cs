using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of ops element by element and of reductions.</summary>
internal static class ElementwiseEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return Two("add", [], t => t[0] + t[1], (a, b) => a + b);
        yield return Two("subtract", [], t => t[0] - t[1], (a, b) => a - b);
        yield return Two("multiply", ["left: right", "right: left"], t => t[0] * t[1], (a, b) => a * b);
        // A gated product: left is up, right the gate.
        yield return new OpEntry("divide", ["gate: *", "up: gate"], size => new OpSample(
            [OpInput.Of("up", [.. Extents(size)]), OpInput.Mapped("gate", FarFromZero, [.. Extents(size)])], t => t[0] / t[1],
            v => Naive.Zip(v[0], v[1], (a, b) => a / b)));
        yield return One("negate", [], t => -t[0], x => -x);
        yield return One("a number and a tensor", [], t => 2 * (0.5f + (1 - t[0] - 3)) / 4 + 1.5f, x => 2 * (0.5 + (1 - x - 3)) / 4 + 1.5);
        yield return new OpEntry("a number divided by a tensor", ["x: x"], size => new OpSample(
            [OpInput.Mapped("x", FarFromZero, [.. Extents(size)])], t => 2.5f / t[0], v => Array.ConvertAll(v[0], x => 2.5 / x)));
        yield return new OpEntry("exp", ["x: x"], size =>
            new OpSample([OpInput.Of("x", [.. Extents(size)])], t => t[0].Exp(), v => Array.ConvertAll(v[0], Math.Exp)));
        yield return new OpEntry("log", ["x: x"], size => new OpSample(
            [OpInput.Mapped("x", x => 0.5f + Math.Abs(x), [.. Extents(size)])], t => t[0].Log(), v => Array.ConvertAll(v[0], Math.Log)));
        yield return One("scale", [], t => t[0] * -1.25f, x => -1.25 * x);
        yield return One("scale by a number on the device", ["scalar: *"], t => t[0].ScaleBy(t[0].Backend.From([-1.25f], [1])),
            x => -1.25 * x);
        yield return Row("multiply row", ["x: row", "row: x"], t => t[0].MultiplyRow(t[1]), (x, row) => x * row);
        yield return Row("add row", [], t => t[0].AddRow(t[1]), (x, row) => x + row);
        yield return new OpEntry("multiply column", ["x: column", "column: x"], size =>
        {
            var shape = size.Pick<Shape>([1, 1], [2, 3, 5], [6, 6], [530, 7], [0, 3]);
            return new OpSample([OpInput.Of("x", [.. shape]), OpInput.Of("column", shape.Rows)], t => t[0].MultiplyColumn(t[1]),
                v => [.. v[0].Select((x, i) => x * v[1][i / shape.Columns])]);
        });
        yield return new OpEntry("sum", [], size =>
            new OpSample([OpInput.Of("x", [.. Extents(size)])], t => t[0].Sum(), v => [v[0].Sum()]));
        yield return new OpEntry("mean", [], size =>
            new OpSample([OpInput.Of("x", [.. Extents(size)])], t => t[0].Mean(), v => [v[0].Average()]))
        {
            Sizes = [Size.One, Size.Odd, Size.Same, Size.Large],
        };
        foreach (int axis in new[] { 0, 1, 2 })
        {
            yield return ReductionOverAxis("sum", axis, (x, _) => x, (t, at) => t.Sum(at));
            yield return ReductionOverAxis("mean", axis, (x, n) => x / n, (t, at) => t.Mean(at)) with
            {
                Sizes = [Size.One, Size.Odd, Size.Same, Size.Large],
            };
        }
        yield return new OpEntry("dropout", [], size =>
        {
            var shape = Extents(size);
            return new OpSample([OpInput.Of("x", [.. shape])], t => t[0].Dropout(new DropoutKey(0.3f, 11, 7)),
                v => Naive.Zip(v[0], Naive.DropoutMask(v[0].Length, 0.3f, 11, 7), (x, kept) => x * kept));
        });
    }

    /// <summary>Every formula, as an activation and as a gate.</summary>
    public static IEnumerable<OpEntry> Formulas() =>
    [
        .. Formula<Silu>(Exact.Silu),
        .. Formula<Sigmoid>(Exact.Sigmoid),
        .. Formula<Tanh>(Math.Tanh),
        .. Formula<Gelu>(Exact.Gelu),
        .. Formula<GeluTanh>(Exact.GeluTanh),
        .. Formula<QuickGelu>(Exact.QuickGelu),
        .. Formula<Relu>(Exact.Relu, AwayFromZero),
        .. Formula<ReluSquared>(Exact.ReluSquared, AwayFromZero),
        .. Formula<InverseSqrt>(x => 1 / Math.Sqrt(x), x => 0.5f + Math.Abs(x)),
        .. Formula<Reciprocal>(x => 1 / x, FarFromZero),
        .. Formula<Exp>(Math.Exp),
        .. Formula<Log>(Math.Log, x => 0.5f + Math.Abs(x)),
        .. Formula<Softplus>(Exact.Softplus),
    ];

    private static IEnumerable<OpEntry> Formula<TFormula>(Func<double, double> exact, Func<float, float>? map = null)
        where TFormula : struct, IUnaryFormula
    {
        map ??= x => x;
        string name = typeof(TFormula).Name;
        yield return new OpEntry($"activate {name}", ["x: x"], size =>
            new OpSample([OpInput.Mapped("x", map, [.. Extents(size)])], t => t[0].Activate<TFormula>(),
                v => Array.ConvertAll(v[0], x => exact(x))));
        yield return new OpEntry($"gate {name}", ["gate: *", "up: gate"], size =>
            new OpSample([OpInput.Mapped("gate", map, [.. Extents(size)]), OpInput.Of("up", [.. Extents(size)])],
                t => t[0].Gate<TFormula>(t[1]),
                v => Naive.Zip(v[0], v[1], (gate, up) => exact(gate) * up)));
    }

    private static float AwayFromZero(float x) => x + (x < 0 ? -0.05f : 0.05f);

    private static float FarFromZero(float x) => x + (x < 0 ? -0.5f : 0.5f);

    /// <summary>A reduction along one of three axes.</summary>
    private static OpEntry ReductionOverAxis(string name, int axis, Func<double, int, double> ofSum, Func<Tensor, Index, Tensor> apply) =>
        new($"{name} over axis {axis}", [], size =>
        {
            var shape = size.Pick<Shape>([1, 1, 1], [2, 3, 5], [4, 4, 4], [17, 5, 131], [2, 0, 3]);
            return new OpSample([OpInput.Of("x", [.. shape])], t => apply(t[0], axis == 2 ? ^1 : axis),
                v => Array.ConvertAll(Naive.SumAlong(v[0], shape, axis), sum => ofSum(sum, shape[axis])));
        });

    private static OpEntry One(string name, string[] saves, Func<Tensor[], Tensor> apply, Func<double, double> exact) =>
        new(name, saves, size =>
        new OpSample([OpInput.Of("x", [.. Extents(size)])], apply, v => Array.ConvertAll(v[0], x => exact(x))));

    public static OpEntry Two(string name, string[] saves, Func<Tensor[], Tensor> apply, Func<double, double, double> exact) =>
        new(name, saves, size =>
        new OpSample([OpInput.Of("left", [.. Extents(size)]), OpInput.Of("right", [.. Extents(size)])], apply,
            v => Naive.Zip(v[0], v[1], exact)));

    private static OpEntry Row(string name, string[] saves, Func<Tensor[], Tensor> apply, Func<double, double, double> exact) =>
        new(name, saves, size =>
    {
        var shape = size.Pick<Shape>([1], [2, 3, 5], [6], [530, 11], [0, 3]);
        return new OpSample([OpInput.Of("x", [.. shape]), OpInput.Of("row", shape.Columns)], apply, v => Naive.Rows(v[0], v[1], exact));
    });

    private static Shape Extents(Size size) => size.Pick<Shape>([1], [3, 5], [4, 4], [17, 131], [0, 3]);
}

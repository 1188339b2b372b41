using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of convolutions, unfold, fold, group norm and vectors of samples.</summary>
internal static class ConvolutionEntries
{
    private const float Scale = 0.7f;

    private static readonly ConvolutionSpec Plain = ConvolutionSpec.Over2(3, padding: 1);

    public static IEnumerable<OpEntry> All()
    {
        yield return Of("convolution", Plain, bias: false);
        yield return Of("convolution with stride and bias", ConvolutionSpec.Over2(3, stride: 2, padding: 1), bias: true);
        yield return Of("convolution, dilated", ConvolutionSpec.Over2(2, padding: 2, dilation: 2), bias: false);
        yield return Of("convolution in groups", ConvolutionSpec.Over2(3, padding: 1, groups: 2), bias: true);
        yield return Of("convolution with a zero row below and column right", ConvolutionSpec.Over2(3, stride: 2) with
        { PadBottom = 1, PadRight = 1 }, bias: false);
        yield return Of("convolution of an upsampled picture", Plain with { Upsampling = 2 }, bias: false);
        yield return Of("convolution with a kernel that is not square",
            new ConvolutionSpec(1, 3) { StrideHeight = 2, PadLeft = 1, PadRight = 2 }, bias: true);
        yield return Of("convolution, BF16 weight and bias", Plain, bias: true, DType.BF16);
        yield return Of("convolution, 1 × 1", ConvolutionSpec.Over2(1), bias: true);
        yield return Of("convolution over sequences", ConvolutionSpec.Over1(3, stride: 2, padding: 1), bias: true);
        yield return Of("convolution over sequences, in groups", ConvolutionSpec.Over1(4, padding: 2, groups: 2), bias: false);
        yield return Lora("lora convolution", updates: 1, loraBias: false, dropout: 0, DType.F32);
        yield return Lora("lora convolution, two updates with biases, BF16 weight", updates: 2, loraBias: true, dropout: 0, DType.BF16);
        yield return Lora("lora convolution with dropout", updates: 1, loraBias: true, dropout: 0.4f, DType.F32);
        yield return Unfold("unfold", ConvolutionSpec.Over2(3, stride: 2, padding: 1));
        yield return Unfold("unfold sequences", ConvolutionSpec.Over1(3, padding: 1));
        yield return Fold("fold", ConvolutionSpec.Over2(2, stride: 2, padding: 1));
        yield return Fold("fold overlapping patches", new ConvolutionSpec(3, 2));
        yield return new OpEntry("add to each", [], size =>
        {
            var shape = size.Pick<Shape>([1, 1, 1], [2, 3, 5], [3, 3], [2, 530, 44], [0, 3, 4]);
            int columns = shape.Columns, each = shape[0] == 0 ? 0 : (int)(shape.Count / shape[0]);
            return new OpSample([OpInput.Of("x", [.. shape]), OpInput.Of("v", shape[0], columns)], t => t[0].AddToEach(t[1]),
                v => [.. v[0].Select((x, i) => x + v[1][i / each * columns + i % columns])]);
        });
        yield return GroupNorm("group norm", DType.F32);
        yield return GroupNorm("group norm, BF16 weight and bias", DType.BF16);
    }

    private static OpEntry Of(string name, ConvolutionSpec spec, bool bias, DType? weights = null) => new(name, ["x: weight"], size =>
    {
        var (x, outputs) = Extents(spec, size);
        int columns = x.Columns / spec.Groups * spec.KernelHeight * spec.KernelWidth;
        var dtype = weights ?? DType.F32;
        OpInput[] given =
        [
            OpInput.Of("x", [.. x]), OpInput.Frozen("weight", dtype, outputs, columns),
            .. bias ? [OpInput.Frozen("bias", dtype, outputs)] : (OpInput[])[],
        ];
        return new OpSample(given, t => t[0].Convolve(spec, t[1], bias ? t[2] : null),
            v => Naive.Convolution(v[0], x, v[1], bias ? v[2] : null, outputs, spec));
    });

    private static OpEntry Lora(string name, int updates, bool loraBias, float dropout, DType dtype)
    {
        string[] saves = dropout > 0 ? ["x: weight", "x: A0", "xA: B0"]
            : updates == 1 ? ["x: weight A0", "xA: B0"] : ["x: weight A0 A1", "xA0: B0", "xA1: B1"];
        return new OpEntry(name, dropout > 0 ? ["x: weight", "x: A0", "x: B0"] : saves, size =>
        {
            var (x, outputs) = Extents(Plain, size);
            int rank = size.Pick(1, 2, 3, 8, 2), columns = x.Columns * 9, each = loraBias ? 3 : 2;
            OpInput[] given =
            [
                OpInput.Of("x", [.. x]), OpInput.Frozen("weight", dtype, outputs, columns),
                .. Enumerable.Range(0, updates).SelectMany(i => (OpInput[])
                [
                    OpInput.Of($"A{i}", rank, columns), OpInput.Of($"B{i}", outputs, rank),
                    .. loraBias ? [OpInput.Of($"bias{i}", outputs)] : (OpInput[])[],
                ]),
            ];
            DropoutKey KeyOf(int i) => dropout > 0 ? new DropoutKey(dropout, 5, (ulong)i) : default;
            return new OpSample(given,
                t => t[0].Convolve(Plain, t[1], null, [.. Enumerable.Range(0, updates).Select(i => new LowRankUpdate(t[2 + i * each],
                    t[3 + i * each], Scale, loraBias ? t[4 + i * each] : null, KeyOf(i)))]),
                v =>
                {
                    double[] y = Naive.Convolution(v[0], x, v[1], null, outputs, Plain);
                    for (int i = 0; i < updates; i++)
                    {
                        double[] seen = dropout > 0 ? Naive.Dropout(v[0], KeyOf(i)) : v[0];
                        double[] down = Naive.Convolution(seen, x, v[2 + i * each], null, rank, Plain);
                        double[] up = Naive.MatMul(down, v[3 + i * each], down.Length / rank, rank, outputs, transposeB: true);
                        y = [.. y.Select((sum, at) => sum + Scale * (up[at] + (loraBias ? v[4 + i * each][at % outputs] : 0)))];
                    }
                    return y;
                });
        });
    }

    private static OpEntry Unfold(string name, ConvolutionSpec spec) => new(name, ["x: x"], size =>
    {
        var (x, _) = Extents(spec, size);
        return new OpSample([OpInput.Of("x", [.. x])], t => t[0].Unfold(spec), v => Naive.Unfold(v[0], x, spec));
    });

    private static OpEntry Fold(string name, ConvolutionSpec spec) => new(name, [], size =>
    {
        var (x, _) = Extents(spec, size);
        var grid = spec.On(x);
        Shape patches = [grid.Batch, grid.OutHeight, grid.OutWidth, grid.Columns];
        return new OpSample([OpInput.Of("p", [.. patches])], t => t[0].Fold(spec, x), v => Naive.Fold(v[0], x, spec));
    });

    private static OpEntry GroupNorm(string name, DType dtype) => new(name, ["x: x weight", "mean: x weight", "rstd: x weight"], size =>
    {
        var shape = size.Pick<Shape>([1, 1, 1], [2, 3, 5, 6], [1, 6], [2, 530, 44], [0, 3, 4]);
        int groups = size.Pick(1, 3, 2, 11, 2);
        OpInput[] given = [OpInput.Of("x", [.. shape]), OpInput.Frozen("weight", dtype, shape.Columns),
            OpInput.Frozen("bias", dtype, shape.Columns)];
        return new OpSample(given, t => t[0].GroupNorm(groups, t[1], t[2], 1e-3f),
            v => Naive.GroupNorm(v[0], shape, groups, v[1], v[2], 1e-3f));
    })
    { Tolerance = 5e-5 };

    /// <summary>The shape of x, and outputs.</summary>
    private static (Shape X, int Outputs) Extents(ConvolutionSpec spec, Size size)
    {
        int g = spec.Groups;
        return spec.Axes == 1
            ? size.Pick<(Shape, int)>(([1, 3, g], g), ([2, 7, 3 * g], 5 * g), ([1, 4, 2 * g], 2 * g), ([2, 70, 9 * g], 20 * g),
                ([0, 5, g], g))
            : size.Pick<(Shape, int)>(([1, 3, 3, g], g), ([2, 5, 4, 3 * g], 5 * g), ([1, 3, 3, g], 2 * g), ([2, 13, 9, 5 * g], 18 * g),
                ([0, 4, 4, g], g));
    }
}

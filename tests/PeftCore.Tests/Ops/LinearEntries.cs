using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of linear layers, LoRA and matrix products.</summary>
internal static class LinearEntries
{
    private const float Alpha = 0.7f;

    public static IEnumerable<OpEntry> All()
    {
        yield return Linear("linear", transposed: false, bias: false, DType.F32);
        yield return Linear("linear with bias", transposed: false, bias: true, DType.F32);
        yield return Linear("linear, transposed weight", transposed: true, bias: false, DType.F32);
        yield return Linear("linear, transposed weight with bias", transposed: true, bias: true, DType.F32);
        yield return Linear("linear, BF16 weight and bias", transposed: false, bias: true, DType.BF16);
        yield return Linear("linear, transposed F16 weight and bias", transposed: true, bias: true, DType.F16);
        yield return Lora("lora linear", 1, transposed: false, bias: false, loraBias: false, dropout: 0, DType.F32);
        yield return Lora("lora linear, transposed BF16 weight", 1, transposed: true, bias: true, loraBias: false, dropout: 0, DType.BF16);
        yield return Lora("lora linear with dropout", 1, transposed: false, bias: false, loraBias: false, dropout: 0.4f, DType.F32);
        yield return Lora("lora linear with biases", 1, transposed: true, bias: true, loraBias: true, dropout: 0, DType.F32);
        yield return Lora("lora linear, two updates", 2, transposed: false, bias: true, loraBias: true, dropout: 0.3f, DType.F32);
        yield return WithDiagonal("lora linear, with a diagonal", dropout: 0);
        yield return WithDiagonal("lora linear, with a diagonal and dropout", dropout: 0.3f);
        yield return LoraWithTwoMaps();
        yield return Observed("observed linear", transposed: false);
        yield return Observed("observed linear, transposed weight", transposed: true);
        foreach (bool transposeA in (bool[])[false, true])
        {
            foreach (bool transposeB in (bool[])[false, true])
            {
                yield return MatMul(transposeA, transposeB);
            }
        }
    }

    private static OpEntry Linear(string name, bool transposed, bool bias, DType dtype) => new(name, ["x: weight"], size =>
    {
        var (rows, inputs, outputs) = size.Pick((1, 1, 1), (3, 5, 7), (4, 4, 4), (35, 40, 34), (0, 3, 2));
        OpInput[] given =
        [
            OpInput.Of("x", rows, inputs),
            OpInput.Frozen("weight", dtype, transposed ? [inputs, outputs] : [outputs, inputs]),
            .. bias ? [OpInput.Frozen("bias", dtype, outputs)] : (OpInput[])[],
        ];
        return new OpSample(given, t => t[0].Linear(t[1], bias ? t[2] : null, transposed),
            v => Affine(v[0], v[1], bias ? v[2] : null, rows, inputs, outputs, transposed));
    });

    private static OpEntry Observed(string name, bool transposed) => new(name, ["x: wanted"], size =>
    {
        var (rows, inputs, outputs) = size.Pick((1, 1, 1), (3, 5, 7), (4, 4, 4), (35, 40, 34), (0, 3, 2));
        OpInput[] given = [OpInput.Of("x", rows, inputs), OpInput.Frozen("weight", DType.BF16, transposed ? [inputs, outputs]
            : [outputs, inputs]), OpInput.Of("wanted", rows, inputs)];
        return new OpSample(given, t => t[0].ObservedLinear(t[1], null, transposed, t[2], new Unseeing()),
            v => Affine(v[0], v[1], null, rows, inputs, outputs, transposed));
    })
    { Unread = 2 }; // The gradient of the weight goes to the observer: a product, and the copy of columns it is made from.

    private sealed class Unseeing : IWeightGradientObserver
    {
        public void See(Tensor piece, long firstElement) { }
    }

    private static OpEntry Lora(string name, int updates, bool transposed, bool bias, bool loraBias, float dropout, DType dtype)
    {
        string[] a = [.. Enumerable.Range(0, updates).Select(i => $"A{i}")];
        string[] saves = ["x: weight " + string.Join(' ', a), .. a.Select((_, i) => updates == 1 ? "xA: B0" : $"xA{i}: B{i}")];
        return new OpEntry(name, saves, size =>
        {
            var (rows, inputs, outputs, rank) = size.Pick((1, 1, 1, 1), (3, 5, 7, 2), (4, 4, 4, 4), (35, 40, 34, 8), (0, 3, 2, 2));
            OpInput[] given =
            [
                OpInput.Of("x", rows, inputs),
                OpInput.Frozen("weight", dtype, transposed ? [inputs, outputs] : [outputs, inputs]),
                .. bias ? [OpInput.Frozen("bias", dtype, outputs)] : (OpInput[])[],
                .. Enumerable.Range(0, updates).SelectMany(i => (OpInput[])
                [
                    OpInput.Of($"A{i}", rank, inputs),
                    OpInput.Of($"B{i}", outputs, rank),
                    .. loraBias ? [OpInput.Of($"biasB{i}", outputs)] : (OpInput[])[],
                ]),
            ];
            int first = bias ? 3 : 2, step = loraBias ? 3 : 2;
            return new OpSample(given, Apply, Reference);

            Tensor Apply(Tensor[] t) => t[0].LoraLinear(t[1], bias ? t[2] : null, transposed, [.. Enumerable.Range(0, updates).Select(i =>
            {
                int at = first + step * i;
                return new LowRankUpdate(t[at], t[at + 1], Alpha + i, loraBias ? t[at + 2] : null, new DropoutKey(dropout, 5, (ulong)i));
            })]);

            double[] Reference(double[][] v)
            {
                double[] y = Affine(v[0], v[1], bias ? v[2] : null, rows, inputs, outputs, transposed);
                for (int i = 0; i < updates; i++)
                {
                    int at = first + step * i;
                    double[] x = Naive.Zip(v[0], Naive.DropoutMask(v[0].Length, dropout, 5, (ulong)i), (value, kept) => value * kept);
                    double[] xA = Naive.MatMul(x, v[at], rows, inputs, rank, transposeB: true);
                    double[] delta = Affine(xA, v[at + 1], loraBias ? v[at + 2] : null, rows, rank, outputs, transposed: false);
                    y = Naive.Zip(y, Naive.Scale(delta, Alpha + i), (sum, more) => sum + more);
                }
                return y;
            }
        });
    }

    /// <summary>Two maps of one x, added up.</summary>
    private static OpEntry LoraWithTwoMaps() => new("lora linear, two maps", ["x: weight0 A0 weight1 A1", "xA0: B0", "xA1: B1"], size =>
    {
        var (rows, inputs, outputs, rank) = size.Pick((1, 1, 1, 1), (3, 5, 7, 2), (4, 4, 4, 4), (35, 40, 34, 8), (0, 3, 2, 2));
        OpInput[] given =
        [
            OpInput.Of("x", rows, inputs),
            .. Enumerable.Range(0, 2)
            .SelectMany(i => (OpInput[])[OpInput.Of($"weight{i}", outputs, inputs), OpInput.Of($"A{i}", rank, inputs),
                OpInput.Of($"B{i}", outputs, rank)]),
        ];
        return new OpSample(given, t =>
        {
            var y = t[0].LoraLinears(new AdaptedLinear(t[1], null, false, [new LowRankUpdate(t[2], t[3], Alpha)]),
                new AdaptedLinear(t[4], null, false, [new LowRankUpdate(t[5], t[6], Alpha)]));
            return y[0] + y[1];
        }, v => Naive.Zip(One(v, 1), One(v, 4), (first, second) => first + second));

        double[] One(double[][] v, int at)
        {
            double[] xA = Naive.MatMul(v[0], v[at + 1], rows, inputs, rank, transposeB: true);
            double[] delta = Naive.Scale(Naive.MatMul(xA, v[at + 2], rows, rank, outputs, transposeB: true), Alpha);
            return Naive.Zip(Affine(v[0], v[at], null, rows, inputs, outputs, transposed: false), delta, (sum, more) => sum + more);
        }
    });

    private static OpEntry WithDiagonal(string name, float dropout) => new(name, ["x: weight A", "xA: B m"], size =>
    {
        var (rows, inputs, outputs, rank) = size.Pick((1, 1, 1, 1), (3, 5, 7, 2), (4, 4, 4, 4), (35, 40, 34, 8), (0, 3, 2, 2));
        OpInput[] given = [OpInput.Of("x", rows, inputs), OpInput.Of("weight", outputs, inputs), OpInput.Of("A", rank, inputs),
            OpInput.Of("B", outputs, rank), OpInput.Of("m", rank)];
        return new OpSample(given,
            t => t[0].LoraLinear(t[1], null, false, new LowRankUpdate(t[2], t[3], Alpha, null, new DropoutKey(dropout, 5, 0), t[4])), v =>
        {
            double[] x = Naive.Zip(v[0], Naive.DropoutMask(v[0].Length, dropout, 5, 0), (value, kept) => value * kept);
            double[] xA = Naive.Rows(Naive.MatMul(x, v[2], rows, inputs, rank, transposeB: true), v[4], (a, b) => a * b);
            double[] delta = Naive.Scale(Naive.MatMul(xA, v[3], rows, rank, outputs, transposeB: true), Alpha);
            return Naive.Zip(Affine(v[0], v[1], null, rows, inputs, outputs, transposed: false), delta, (sum, more) => sum + more);
        });
    });

    private static OpEntry MatMul(bool transposeA, bool transposeB)
    {
        string name = $"matmul {(transposeA ? "Aᵀ" : "A")}{(transposeB ? "Bᵀ" : "B")}";
        return new OpEntry(name, ["a: b", "b: a"], size =>
        {
            var (m, k, n) = size.Pick((1, 1, 1), (3, 5, 7), (4, 4, 4), (33, 40, 34), (0, 3, 2));
            return new OpSample([OpInput.Of("a", transposeA ? [k, m] : [m, k]), OpInput.Of("b", transposeB ? [n, k] : [k, n])],
                t => t[0].MatMul(t[1], transposeA, transposeB), v => Naive.MatMul(v[0], v[1], m, k, n, transposeA, transposeB));
        });
    }

    private static double[] Affine(double[] x, double[] weight, double[]? bias, int rows, int inputs, int outputs, bool transposed)
    {
        double[] y = Naive.MatMul(x, weight, rows, inputs, outputs, transposeB: !transposed);
        return bias is null ? y : Naive.Rows(y, bias, (a, b) => a + b);
    }
}

using FsCheck;
using FsCheck.Fluent;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;
using PeftCore.Tests.Ops;

namespace PeftCore.Tests.Autograd;

/// <summary>Ops propagate and accumulate gradients and reuse memory. For any composition of ops, the gradients of the leaves must be the
/// derivatives.</summary>
public sealed class RandomGraphTests
{
    private const int Side = 4;
    private const int Leaves = 3;
    private const double Step = 1e-5;

    private static readonly Operation[] Operations =
    [
        new((a, b) => a + b, (a, b) => Naive.Zip(a, b, (x, y) => x + y)),
        new((a, b) => a - b, (a, b) => Naive.Zip(a, b, (x, y) => x - y)),
        new((a, b) => a * b, (a, b) => Naive.Zip(a, b, (x, y) => x * y)),
        new((a, _) => a * 0.7f, (a, _) => Naive.Scale(a, 0.7f)),
        new((a, b) => a.Gate<Silu>(b), (a, b) => Naive.Zip(a, b, (x, y) => Exact.Silu(x) * y)),
        new((a, _) => a.Activate<Tanh>(), (a, _) => Array.ConvertAll(a, Math.Tanh)),
        new((a, _) => a.Softmax(), (a, _) => Naive.Softmax(a, Side)),
        new((a, b) => a.MatMul(b, transposeA: true) * 0.5f, (a, b) => Naive.Scale(Naive.MatMul(a, b, Side, Side, Side, transposeA: true),
            0.5)),
        new((a, b) => a.Linear(b).Activate<Tanh>(), (a, b) => Array.ConvertAll(Naive.MatMul(a, b, Side, Side, Side, transposeB: true),
            Math.Tanh)),
        new((a, b) => a.Reshape([2, 2 * Side]).Gate<Sigmoid>(b.Reshape([2, 2 * Side])).Reshape([Side, Side]),
            (a, b) => Naive.Zip(a, b, (x, y) => Exact.Sigmoid(x) * y)),
        new((a, b) => Tensor.Concat(a, b).Slice(1, Side), (a, b) => [.. a[Side..], .. b[..Side]]),
        new((a, b) => a.Columns(0, 1).Reshape([Side]) is var row ? b.MultiplyRow(row) : b,
            (a, b) => Naive.Rows(b, Naive.Columns(a, Side, 0, 1), (x, y) => x * y)),
        new((a, _) => Rotated(a * 1f), (a, _) => Naive.Rope(a, Side, 2, 0, 2, [0, 1, 2, 3], [1], false)),
        new((a, b) => Rotated(a + b), (a, b) => Naive.Rope(Naive.Zip(a, b, (x, y) => x + y), Side, 2, 0, 2, [0, 1, 2, 3], [1], false)),
        new((a, _) => Recompute.Run(h => h.Activate<Gelu>() * h, a), (a, _) => Array.ConvertAll(a, x => Exact.Gelu(x) * x)),
        new((a, b) => Recompute.Run(h => Rotated(h).Activate<Tanh>() + h, a * b),
            (a, b) => Naive.Zip(a, b, (x, y) => x * y) is var p
                ? Naive.Zip(Array.ConvertAll(Naive.Rope(p, Side, 2, 0, 2, [0, 1, 2, 3], [1], false), Math.Tanh), p, (x, y) => x + y) : []),
        new((a, b) => Attended(a, b, b), (a, b) => Attended(a, b, b)),
        new((a, b) => Attended(a, a, b), (a, b) => Attended(a, a, b)),
        new((a, _) => a.Dropout(new DropoutKey(0.3f, 1, 2)), (a, _) => Naive.Zip(a, Naive.DropoutMask(Side * Side, 0.3f, 1, 2),
            (x, y) => x * y)),
    ];

    /// <summary>Each instruction is an operation and its two operands, counted back from the last value.</summary>
    private static readonly Gen<(int Operation, int First, int Second)[]> Programs = (
        from operation in Gen.Choose(0, Operations.Length - 1)
        from first in Gen.Choose(0, 4)
        from second in Gen.Choose(0, 4)
        select (operation, first, second)).ArrayOf(9);

    [Test]
    public void However_ops_are_put_together_the_gradients_are_the_derivatives()
    {
        using var backend = new CpuBackend(1, poison: true);
        float[] upstream = Numbers.Random(9, Side * Side);
        Prop.ForAll(Programs.ToArbitrary(), Gen.Choose(1, (1 << Leaves) - 1).ToArbitrary(), (program, mask) =>
        {
            double[][] leaves =
                [.. Enumerable.Range(0, Leaves).Select(i => Array.ConvertAll(Numbers.Random(i, Side * Side), x => (double)x))];
            float[]?[] gradients = Gradients(backend, program, mask, upstream, out float[]? output);
            AssertClose(output, OnNumbers(), "output");
            for (int i = 0; i < Leaves; i++)
            {
                if (gradients[i] is { } found)
                {
                    AssertClose(found, [.. found.Select((_, at) => (Moved(i, at, Step) - Moved(i, at, -Step)) / (2 * Step))],
                        $"gradient of leaf {i}");
                }
            }
            Assert.That(backend.Memory.CurrentBytes, Is.Zero);

            double[] OnNumbers() => Run(program, leaves, (operation, a, b) => operation.OnNumbers(a, b));

            double Moved(int leaf, int at, double by)
            {
                double before = leaves[leaf][at];
                leaves[leaf][at] += by;
                double sum = OnNumbers().Zip(upstream, (y, g) => y * g).Sum();
                leaves[leaf][at] = before;
                return sum;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200).WithReplay(4, 7));
    }

    private static void AssertClose(float[] found, double[] expected, string what) =>
        Assert.That(found, Is.EqualTo(expected).Within(1e-4 * Math.Max(1, expected.Max(Math.Abs))), what);

    private static float[]?[] Gradients(CpuBackend backend, (int, int, int)[] program, int mask, float[] upstream, out float[] values)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor[] leaves = [.. Enumerable.Range(0, Leaves).Select(i => backend.From(Numbers.Random(i, Side * Side), [Side, Side]))];
        foreach (var leaf in leaves.Where((_, i) => (mask >> i & 1) != 0))
        {
            leaf.TrackGradient();
        }
        Tensor output;
        using (var forward = new TensorScope())
        {
            output = forward.Return(Run(program, leaves, (operation, a, b) => operation.OnTensors(a, b)) * 1f);
        }
        values = output.ToArray<float>();
        if (output.RequiresGrad)
        {
            tape.Backward(output, backend.From(upstream, output.Shape));
        }
        float[]?[] gradients = [.. leaves.Select(leaf => leaf.Gradient?.ToArray<float>())];
        Array.ForEach(leaves, leaf => leaf.UntrackGradient());
        return gradients;
    }

    private static T Run<T>((int Operation, int First, int Second)[] program, T[] leaves, Func<Operation, T, T, T> apply)
    {
        var values = new List<T>(leaves);
        foreach (var (operation, first, second) in program)
        {
            values.Add(apply(Operations[operation], values[^(1 + first % values.Count)], values[^(1 + second % values.Count)]));
        }
        return values[^1];
    }

    /// <summary>Two heads of two columns, turned by one radian a row.</summary>
    private static Tensor Rotated(Tensor x)
    {
        double[] angles = [0, 1, 2, 3];
        var tables = new RopeTables(x.Backend.From(Array.ConvertAll(angles, a => (float)Math.Cos(a)), [Side, 1]),
            x.Backend.From(Array.ConvertAll(angles, a => (float)Math.Sin(a)), [Side, 1]), false);
        return new Heads(x, 2, 2).Rope(tables, x.Backend.From([0, 1, 2, 3], [Side]));
    }

    private static Tensor Attended(Tensor q, Tensor k, Tensor v) =>
        In(q).Attend(In(k), In(v), new AttentionOptions(0.7f)).Reshape([Side, Side]);

    private static Heads In(Tensor x) => new(x.Reshape([1, Side, Side]), 2, 2);

    private static double[] Attended(double[] q, double[] k, double[] v)
    {
        var reference = new AttentionReference(new AttentionShape(1, Side, Side, 2, 2, 2, 0.7f, 0), q, k, v, [], [], []);
        reference.Forward(new double[q.Length]);
        return reference.O;
    }

    private sealed record Operation(Func<Tensor, Tensor, Tensor> OnTensors, Func<double[], double[], double[]> OnNumbers);
}

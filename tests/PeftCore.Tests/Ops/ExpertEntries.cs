using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of the ops of mixtures of experts. The choice of experts is given: it is a constant for the gradient.</summary>
internal static class ExpertEntries
{
    private const float Scale = 0.7f;

    public static IEnumerable<OpEntry> All()
    {
        yield return new OpEntry("take columns", ["chosen: *"], size =>
        {
            var choice = Choice.Of(size);
            return new OpSample([OpInput.Of("x", choice.Tokens, choice.Experts)], t => t[0].TakeColumns(choice.Tensor(t[0].Backend)),
                v => [.. choice.Chosen.Select((expert, q) => v[0][q / choice.K * choice.Experts + expert])]);
        });
        yield return new OpEntry("put columns", ["chosen: *"], size =>
        {
            var choice = Choice.Of(size);
            return new OpSample([OpInput.Of("x", choice.Tokens, choice.K)],
                t => t[0].PutColumns(choice.Tensor(t[0].Backend), choice.Experts), v =>
                {
                    double[] y = new double[choice.Tokens * choice.Experts];
                    for (int q = 0; q < choice.Chosen.Length; q++)
                    {
                        y[q / choice.K * choice.Experts + choice.Chosen[q]] = v[0][q];
                    }
                    return y;
                });
        });
        yield return new OpEntry("dispatch", ["position: *"], size =>
        {
            var (choice, columns) = (Choice.Of(size), ColumnsOf(size));
            return new OpSample([OpInput.Of("x", choice.Tokens, columns)], t => t[0].Dispatch(choice.Routing(t[0].Backend)),
                v => [.. choice.Sorted.SelectMany(q => v[0][(q / choice.K * columns)..((q / choice.K + 1) * columns)])]);
        });
        yield return new OpEntry("combine", ["order: *"], size =>
        {
            var (choice, columns) = (Choice.Of(size), ColumnsOf(size));
            return new OpSample([OpInput.Of("x", choice.Chosen.Length, columns)], t => t[0].Combine(choice.Routing(t[0].Backend)), v =>
            {
                double[] y = new double[choice.Tokens * columns];
                for (int i = 0; i < v[0].Length; i++)
                {
                    y[choice.Sorted[i / columns] / choice.K * columns + i % columns] += v[0][i];
                }
                return y;
            });
        });
        yield return Glu<Glu<Silu>>("routed glu of SiLU", (gate, up) => Exact.Silu(gate) * up);
        yield return Glu<Glu<Gelu>>("routed glu of GELU", (gate, up) => Exact.Gelu(gate) * up);
        yield return Glu<ClampedSwiglu>("routed clamped glu", (gate, up) =>
            Math.Min(gate, 7) * Exact.Sigmoid(1.702 * Math.Min(gate, 7)) * (Math.Clamp(up, -7, 7) + 1));
        yield return RaggedLinear("ragged linear", transposed: false);
        yield return RaggedLinear("ragged linear, transposed", transposed: true);
    }

    /// <summary>Gates and ups are up to 9, so that some are clamped.</summary>
    private static OpEntry Glu<TGlu>(string name, Func<double, double, double> exact) where TGlu : struct, IGluFormula =>
        new(name, ["x: *", "weights: x", "order: *"], size =>
        {
            var (choice, columns) = (Choice.Of(size), ColumnsOf(size));
            return new OpSample([OpInput.Mapped("x", x => 6 * x, choice.Chosen.Length, 2 * columns),
                OpInput.Of("weights", choice.Tokens, choice.K)],
                t => t[0].RoutedGlu<TGlu>(t[1], choice.Routing(t[0].Backend)),
                v => [.. Enumerable.Range(0, choice.Chosen.Length * columns).Select(i =>
                {
                    int p = i / columns, c = i % columns, row = 2 * p * columns;
                    double gate = v[0][row + (TGlu.IsInterleaved ? 2 * c : c)];
                    double up = v[0][row + (TGlu.IsInterleaved ? 2 * c + 1 : columns + c)];
                    return v[1][choice.Sorted[p]] * exact(gate, up);
                })]);
        });

    private static OpEntry RaggedLinear(string name, bool transposed) =>
        new(name, ["x: weight A", "offsets: *", "experts: bias", "xA: B"], size =>
        {
            var choice = Choice.Of(size);
            var (inputs, outputs, rank) = size.Pick((1, 1, 1), (5, 3, 2), (4, 4, 4), (33, 70, 9), (2, 3, 2));
            int pairs = choice.Chosen.Length, experts = choice.Experts;
            return new OpSample(
                [OpInput.Of("x", pairs, inputs), OpInput.Of("weight", transposed ? [experts, inputs, outputs] : [experts, outputs, inputs]),
                    OpInput.Of("bias", experts, outputs), OpInput.Of("A", experts, rank, inputs), OpInput.Of("B", experts, outputs, rank)],
                t => t[0].RaggedLinear(t[1], t[2], transposed, choice.Routing(t[0].Backend), new RaggedUpdate(t[3], t[4], Scale)),
                v => [.. Enumerable.Range(0, pairs).SelectMany(p =>
                {
                    int e = choice.Chosen[choice.Sorted[p]];
                    double[] x = v[0][(p * inputs)..((p + 1) * inputs)], w = Part(v[1], e, inputs * outputs);
                    double[] y = Naive.MatMul(x, w, 1, inputs, outputs, transposeB: !transposed);
                    double[] low = Naive.MatMul(x, Part(v[3], e, rank * inputs), 1, inputs, rank, transposeB: true);
                    double[] update = Naive.MatMul(low, Part(v[4], e, outputs * rank), 1, rank, outputs, transposeB: true);
                    return Naive.Zip(Naive.Zip(y, update, (a, b) => a + Scale * b), Part(v[2], e, outputs), (a, b) => a + b);
                })]);
        })
        { Tolerance = 4e-5 };

    private static double[] Part(double[] values, int index, int count) => values[(index * count)..((index + 1) * count)];

    private static int ColumnsOf(Size size) => size.Pick(1, 5, 4, 131, 3);

    /// <summary>A choice of k of some experts for each token; the last expert gets none where there are more than k.</summary>
    private sealed record Choice(int Tokens, int K, int Experts)
    {
        public int[] Chosen { get; } = [.. Enumerable.Range(0, Tokens * K)
            .Select(q => (q / K * 5 + q % K) % Math.Max(K, Experts - 1))];

        /// <summary>Pairs sorted by expert, stably.</summary>
        public int[] Sorted => [.. Enumerable.Range(0, Chosen.Length).OrderBy(q => Chosen[q])];

        public static Choice Of(Size size) => size.Pick<Choice>(new(1, 1, 1), new(4, 2, 4), new(4, 1, 4), new(37, 3, 6), new(0, 2, 3));

        public Tensor Tensor(Backend backend) => backend.From(Chosen, [Tokens, K]);

        public ExpertRouting Routing(Backend backend) => ExpertRouting.Of(Tensor(backend), Experts);
    }
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Mixtures of experts and linear attention.</summary>
internal static class ExpertChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
        [("choose_experts", Choose), ("take_columns", Take), ("sort_by_expert", Sort), ("expert_rows", Rows), ("routed_glu", Glu),
            ("ragged_products", Products), ("bf16_experts", Bf16), ("causal_convolution", Convolution), ("gated_delta", Delta)];

    private static void Choose(ParityBench bench)
    {
        int tokens = bench.Size(7, 3000), experts = bench.Size(8, 128), k = bench.Size(3, 8);
        Twin scores = bench.Random([tokens, experts]), bias = bench.Random([experts], scale: 0.3f);
        foreach (var groups in new[] { ExpertGroups.All, new ExpertGroups(4, 2) })
        {
            Twin plain = bench.Empty([tokens, k], DType.I32), biased = bench.Empty([tokens, k], DType.I32);
            bench.Run((b, t) => b.TopK(t(scores), null, groups, t(plain)));
            SameInts(plain, "chosen");
            bench.Run((b, t) => b.TopK(t(scores), t(bias), groups, t(biased)));
            SameInts(biased, "chosen with a bias");
        }
    }

    private static void Take(ParityBench bench)
    {
        var (chosen, tokens, k, experts) = Choice(bench);
        var x = bench.Random([tokens, experts]);
        var y = bench.Empty([tokens, k]);
        bench.Run((b, t) => b.TakeColumns(t(x), t(chosen), t(y)));
        bench.Same(y, "taken");
        foreach (bool accumulate in new[] { false, true })
        {
            var dx = bench.Target([tokens, experts], accumulate);
            bench.Run((b, t) => b.TakeColumnsGradient(t(y), t(chosen), t(dx), accumulate));
            bench.Same(dx, "gradient");
        }
    }

    private static void Sort(ParityBench bench)
    {
        foreach (var routing in (Routing[])[Routed(bench), Routed(bench, tokens: bench.Size(600, 5000), k: 2, experts: 3)])
        {
            SameInts(routing.Order, "order");
            SameInts(routing.Position, "position");
            SameInts(routing.Experts, "experts");
            SameInts(routing.Offsets, "offsets");
        }
    }

    private static void Rows(ParityBench bench)
    {
        var r = Routed(bench);
        int columns = bench.Size(5, 203);
        Twin x = bench.Random([r.Tokens, columns]), pairs = bench.Random([r.Pairs, columns]);
        foreach (bool accumulate in new[] { false, true })
        {
            Twin sorted = bench.Target([r.Pairs, columns], accumulate), sums = bench.Target([r.Tokens, columns], accumulate);
            bench.Run((b, t) => b.DispatchRows(t(x), t(r.Order), t(sorted), accumulate));
            bench.Same(sorted, "dispatched");
            bench.Run((b, t) => b.CombineRows(t(pairs), t(r.Position), t(sums), accumulate));
            bench.Same(sums, "combined");
        }
    }

    private static void Glu(ParityBench bench)
    {
        Glu<Glu<Silu>>(bench);
        Glu<Glu<Gelu>>(bench);
        Glu<ClampedSwiglu>(bench);
    }

    private static void Glu<TGlu>(ParityBench bench) where TGlu : struct, IGluFormula
    {
        var r = Routed(bench);
        int columns = bench.Size(5, 203);
        Twin x = bench.Random([r.Pairs, 2 * columns], scale: 9), weights = bench.Random([r.Tokens, r.K]),
            h = bench.Empty([r.Pairs, columns]);
        bench.Run((b, t) => b.RoutedGlu<TGlu>(t(x), t(weights), t(r.Order), t(h)));
        bench.Same(h, "h", 1e-5);
        var dh = bench.Random([r.Pairs, columns]);
        foreach (bool accumulate in new[] { false, true })
        {
            Twin dx = bench.Empty([r.Pairs, 2 * columns]), dWeights = bench.Target([r.Tokens, r.K], accumulate);
            bench.Run((b, t) => b.RoutedGluGradient<TGlu>(t(x), t(weights), t(r.Order), t(dh), t(dx), t(dWeights), accumulate));
            bench.Same(dx, "dx", 1e-5);
            bench.Same(dWeights, "dweights", 2e-5);
        }
    }

    private static void Products(ParityBench bench)
    {
        var r = Routed(bench);
        int m = bench.Size(5, 133), n = bench.Size(18, 201);
        Twin a = bench.Random([r.Pairs, m]), b = bench.Random([r.Pairs, n]);
        foreach (var dtype in new[] { DType.F32, DType.BF16 })
        {
            Twin across = bench.Random([r.Count, n, m], dtype), along = bench.Random([r.Count, m, n], dtype);
            foreach (bool accumulate in new[] { false, true })
            {
                Twin y = bench.Target([r.Pairs, n], accumulate), z = bench.Target([r.Pairs, n], accumulate);
                bench.Run((x, t) => x.RaggedMatMul(t(a), t(across), true, t(r.Offsets), t(y), 0.7f, accumulate));
                bench.Same(y, "product with transposed matrices", 1e-5);
                bench.Run((x, t) => x.RaggedMatMul(t(a), t(along), false, t(r.Offsets), t(z), 0.7f, accumulate));
                bench.Same(z, "product", 1e-5);
            }
        }
        foreach (bool accumulate in new[] { false, true })
        {
            var c = bench.Target([r.Count, m, n], accumulate);
            bench.Run((x, t) => x.RaggedMatMulGradient(t(a), t(b), t(r.Offsets), t(c), 0.7f, accumulate));
            bench.Same(c, "gradient", 1e-5);
        }
    }

    /// <summary>The same ops on BF16 activations; results differ from the CPU's by their rounding.</summary>
    private static void Bf16(ParityBench bench)
    {
        const double Rounding = 8e-3;
        var r = Routed(bench);
        int columns = bench.Size(8, 256), outputs = bench.Size(16, 384);
        Twin x = bench.Activation([r.Tokens, columns]), rows = bench.Result([r.Pairs, columns]);
        bench.Run((b, t) => b.DispatchRows(t(x), t(r.Order), t(rows), false));
        bench.Same(rows, "dispatched", 0);
        Twin sums = bench.Result([r.Tokens, columns]), weight = bench.Random([r.Count, outputs, columns], DType.BF16);
        bench.Run((b, t) => b.CombineRows(t(rows), t(r.Position), t(sums), false));
        bench.Same(sums, "combined", Rounding);
        Twin y = bench.Result([r.Pairs, outputs]), back = bench.Result([r.Pairs, columns]), dy = bench.Activation([r.Pairs, outputs]);
        bench.Run((b, t) => b.RaggedMatMul(t(rows), t(weight), true, t(r.Offsets), t(y)));
        bench.Same(y, "product", Rounding);
        bench.Run((b, t) => b.RaggedMatMul(t(dy), t(weight), false, t(r.Offsets), t(back)));
        bench.Same(back, "product back", Rounding);
        Twin weights = bench.Random([r.Tokens, r.K]), h = bench.Result([r.Pairs, outputs / 2]), dx = bench.Result([r.Pairs, outputs]),
            dWeights = bench.Empty([r.Tokens, r.K]), dh = bench.Activation([r.Pairs, outputs / 2]);
        bench.Run((b, t) => b.RoutedGlu<Glu<Silu>>(t(dy), t(weights), t(r.Order), t(h)));
        bench.Same(h, "h", Rounding);
        bench.Run((b, t) => b.RoutedGluGradient<Glu<Silu>>(t(dy), t(weights), t(r.Order), t(dh), t(dx), t(dWeights), false));
        bench.Same(dx, "dx", Rounding);
        bench.Same(dWeights, "dweights", Rounding);
    }

    private static void Convolution(ParityBench bench)
    {
        int batch = 2, length = bench.Size(5, 67), columns = bench.Size(6, 300);
        Twin x = bench.Random([batch, length, columns]), taps = bench.Random([4, columns]), positions = Positions(bench, batch, length),
            y = bench.Empty([batch, length, columns]), dTaps = bench.Empty([4, columns]);
        bench.Run((b, t) => b.CausalConvolution(t(x), t(taps), t(positions), t(y)));
        bench.Same(y, "y");
        foreach (bool accumulate in new[] { false, true })
        {
            var dx = bench.Target([batch, length, columns], accumulate);
            bench.Run((b, t) => b.CausalConvolutionGradient(t(y), t(taps), t(positions), t(dx), accumulate));
            bench.Same(dx, "dx");
        }
        bench.Run((b, t) => b.CausalConvolutionTaps(t(y), t(x), t(positions), t(dTaps)));
        bench.Same(dTaps, "dtaps", 1e-5);
    }

    private static void Delta(ParityBench bench)
    {
        int batch = 2, length = bench.Size(5, 150), keys = bench.Size(3, 64), values = bench.Size(4, 40);
        var shape = new DeltaShape(batch, length, 2, 4, keys, values);
        Twin q = bench.Random([batch, length, 2 * keys]), k = bench.Random([batch, length, 2 * keys], scale: bench.Size(4, 1) * 0.15f),
            v = bench.Random([batch, length, 4 * values]), beta = bench.Random([batch, length, 4]),
            g = bench.Floats([.. Enumerable.Range(0, batch * length * 4).Select(i => -0.1f * (i % 9))], [batch, length, 4]),
            positions = Positions(bench, batch, length), o = bench.Empty([batch, length, 4 * values]);
        bench.Run((b, t) => b.GatedDelta(shape, Operands(t), t(o), null));
        bench.Same(o, "o", 1e-5);
        var state = bench.Random([batch, 4, keys, values]);
        bench.Run((b, t) => b.GatedDelta(shape, Operands(t), t(o), t(state)));
        bench.Same(o, "o with a state", 1e-5);
        bench.Same(state, "state", 1e-5);
        Twin dq = bench.Empty(q.Cpu.Shape), dk = bench.Empty(q.Cpu.Shape), dv = bench.Empty(v.Cpu.Shape), dg = bench.Empty(g.Cpu.Shape),
            dBeta = bench.Empty(g.Cpu.Shape), dO = bench.Random(v.Cpu.Shape);
        bench.Run((b, t) => b.GatedDeltaGradient(shape, Operands(t), t(dO), t(dq), t(dk), t(dv), t(dg), t(dBeta)));
        foreach (var (twin, name) in new[] { (dq, "dq"), (dk, "dk"), (dv, "dv"), (dg, "dg"), (dBeta, "dbeta") })
        {
            bench.Same(twin, name, 5e-5);
        }

        DeltaTensors Operands(Func<Twin, Tensor> t) => new(t(q), t(k), t(v), t(g), t(beta), t(positions));
    }

    private static Twin Positions(ParityBench bench, int batch, int length) =>
        bench.Ints([.. Enumerable.Range(0, batch * length).Select(i => i % length % (length * 2 / 3))], [batch, length]);

    private static (Twin Chosen, int Tokens, int K, int Experts) Choice(ParityBench bench, int tokens = 0, int k = 0, int experts = 0)
    {
        (tokens, k, experts) = tokens > 0 ? (tokens, k, experts) : (bench.Size(9, 700), bench.Size(2, 4), bench.Size(5, 24));
        int[] chosen = new int[tokens * k];
        for (int q = 0; q < chosen.Length; q++)
        {
            chosen[q] = (q / k * q / k + q % k) % experts;
        }
        return (bench.Ints(chosen, [tokens, k]), tokens, k, experts);
    }

    private static Routing Routed(ParityBench bench, int tokens = 0, int k = 0, int experts = 0)
    {
        (var chosen, tokens, k, experts) = Choice(bench, tokens, k, experts);
        int pairs = tokens * k;
        var routing = new Routing(tokens, k, experts, bench.Empty([pairs], DType.I32), bench.Empty([pairs], DType.I32),
            bench.Empty([pairs], DType.I32), bench.Empty([experts + 1], DType.I32));
        bench.Run((b, t) => b.SortByExpert(t(chosen), t(routing.Order), t(routing.Position), t(routing.Experts), t(routing.Offsets)));
        return routing;
    }

    private static void SameInts(Twin twin, string what)
    {
        if (!twin.Cpu.ToArray<int>().AsSpan().SequenceEqual(twin.Device.ToArray<int>()))
        {
            throw new InvalidOperationException($"{what} differ");
        }
    }

    private sealed record Routing(int Tokens, int K, int Count, Twin Order, Twin Position, Twin Experts, Twin Offsets)
    {
        public int Pairs => Tokens * K;
    }
}

using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Sums of products in one launch on tensor cores, against the same products one by one on the CPU.</summary>
internal static class SummandChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        .. from transposeA in new[] { false, true }
           from transposeB in new[] { false, true }
           from dtype in new[] { DType.F32, DType.BF16 }
           select ($"summands_{(transposeA ? 't' : 'n')}{(transposeB ? 't' : 'n')}_{dtype}",
               (Action<ParityBench>)(bench => Every(bench, transposeA, transposeB, dtype))),
        ("summands_of_different_layouts", DifferentLayouts),
        ("grouped_results", Grouped),
        ("summands_twice_bit_equal", Twice),
    ];

    private static void Every(ParityBench bench, bool ta, bool tb, DType dtype)
    {
        Sum(bench, ta, tb, dtype, 256, 512, [128], false, null);
        Sum(bench, ta, tb, dtype, 264, 520, [136, 8], true, DType.F32);
        Sum(bench, ta, tb, dtype, 2048, 1536, [1032, 16], false, DType.BF16);
        Sum(bench, ta, tb, dtype, 1992, 3208, [520, 8, 264, 64, 8], true, null);
        Sum(bench, ta, tb, dtype, 16, 2048, [4096], false, null);
        Sum(bench, ta, tb, dtype, 8, 1032, [2056, 16], true, null);
        Sum(bench, ta, tb, dtype, 2048, 16, [2056], true, null);
        Sum(bench, ta, tb, dtype, 1032, 8, [4104], false, null);
        Sum(bench, ta, tb, dtype, 136, 40, [5000], false, null);
        Sum(bench, ta, tb, dtype, 301, 257, [93], false, DType.F32);
        Sum(bench, ta, tb, dtype, 264, 515, [136, 5, 3], true, null);
        Sum(bench, ta, tb, dtype, 1, 3, [1], false, null);
        Sum(bench, ta, tb, dtype, 5, 2049, [4097], true, DType.BF16);
        if (!ta)
        {
            Sum(bench, ta, tb, dtype, 1001, 256, [72], false, DType.F32);
            Sum(bench, ta, tb, dtype, 1, 264, [2048], false, null);
        }
        if (tb)
        {
            Sum(bench, ta, tb, dtype, 504, 2001, [512], true, DType.BF16);
            Sum(bench, ta, tb, dtype, 256, 1030, [264], false, null);
        }
    }

    private static void Sum(ParityBench bench, bool ta, bool tb, DType dtype, int m, int n, int[] depths, bool accumulate, DType? bias)
    {
        var terms = depths.Select(k => (A: bench.Random(ta ? [k, m] : [m, k], DType.BF16), B: bench.Random(tb ? [n, k] : [k, n],
            DType.BF16))).ToArray();
        var row = bias is { } kind ? bench.Random([n], kind) : null;
        var result = accumulate ? bench.Random([m, n], dtype) : bench.Empty([m, n], dtype);
        using (var f32 = bench.Cpu.NewTensor([m, n]))
        {
            if (accumulate)
            {
                bench.Cpu.Cast(result.Cpu, f32);
            }
            for (int i = 0; i < terms.Length; i++)
            {
                bench.Cpu.MatMul(terms[i].A.Cpu, ta, terms[i].B.Cpu, tb, f32, 0.5f, accumulate || i > 0);
            }
            if (row is not null)
            {
                bench.Cpu.AddRow(f32, row.Cpu);
            }
            bench.Cpu.Cast(f32, result.Cpu);
        }
        var gemm = ((IlgpuBackend)result.Device.Device).Gemm;
        Assert(gemm.TryProducts([.. terms.Select(term => new GemmOperands(term.A.Device, ta, term.B.Device, tb))], result.Device, 0.5f,
            accumulate, row?.Device));
        bench.Same(result, $"{m} × {n} of {string.Join('+', depths)}", Tolerance(dtype));
    }

    private static void DifferentLayouts(ParityBench bench)
    {
        Twin x = bench.Random([520, 264], DType.BF16), w = bench.Random([136, 264], DType.BF16);
        Twin s = bench.Random([520, 16], DType.BF16), b = bench.Random([16, 136], DType.BF16), y = bench.Empty([520, 136]);
        bench.Cpu.MatMul(x.Cpu, false, w.Cpu, true, y.Cpu);
        bench.Cpu.MatMul(s.Cpu, false, b.Cpu, false, y.Cpu, 1, true);
        var gemm = ((IlgpuBackend)y.Device.Device).Gemm;
        Assert(gemm.TryProducts([new(x.Device, false, w.Device, true), new(s.Device, false, b.Device, false)], y.Device, 1, false, null));
        bench.Same(y, "x·Wᵀ + S·B", Tolerance(DType.F32));
    }

    private static void Grouped(ParityBench bench)
    {
        int[] widths = [1024, 136, 264];
        var x = bench.Random([1000, 520], DType.BF16);
        Twin[] w = [.. widths.Select(n => bench.Random([n, 520], DType.BF16))],
            b = [.. widths.Select(n => bench.Random([n, 8], DType.BF16))];
        Twin[] s = [.. widths.Select(_ => bench.Random([1000, 8], DType.BF16))],
            y = [.. widths.Select(n => bench.Empty([1000, n], DType.BF16))];
        var terms = new List<GemmOperands>();
        for (int i = 0; i < 3; i++)
        {
            using var f32 = bench.Cpu.NewTensor([1000, widths[i]]);
            bench.Cpu.MatMul(x.Cpu, false, w[i].Cpu, true, f32);
            bench.Cpu.MatMul(s[i].Cpu, false, b[i].Cpu, true, f32, 1, true);
            bench.Cpu.Cast(f32, y[i].Cpu);
            terms.AddRange([new(x.Device, false, w[i].Device, true), new(s[i].Device, false, b[i].Device, true)]);
        }
        var gemm = ((IlgpuBackend)x.Device.Device).Gemm;
        Assert(gemm.TryGrouped([.. terms], [.. y.Select(twin => twin.Device)], 1, false, []));
        for (int i = 0; i < 3; i++)
        {
            bench.Same(y[i], $"result {i}", Tolerance(DType.BF16));
        }
    }

    // Partial sums of tiles cut along K are added up in a fixed order, whatever the timing.
    private static void Twice(ParityBench bench)
    {
        Twin x = bench.Random([2048, 2056]), w = bench.Random([1544, 2056]), first = bench.Empty([2048, 1544]),
            second = bench.Empty([2048, 1544]);
        var gemm = ((IlgpuBackend)x.Device.Device).Gemm;
        foreach (var y in new[] { first, second })
        {
            Assert(gemm.TryProducts([new(x.Device, false, w.Device, true)], y.Device, 1, false, null));
        }
        Assert(first.Device.ToBytes().AsSpan().SequenceEqual(second.Device.ToBytes()));
    }

    private static void Assert(bool holds)
    {
        if (!holds)
        {
            throw new InvalidOperationException("the tensor cores refused it, or two runs differ");
        }
    }

    // One unit in BF16's last place: the two sums may be rounded in opposite directions.
    private static double Tolerance(DType dtype) => dtype == DType.BF16 ? 8e-3 : 1e-5;
}

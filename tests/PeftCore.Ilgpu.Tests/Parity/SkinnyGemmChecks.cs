using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Products of tall matrices with skinny ones on tensor cores, against the same products one by one on the CPU.</summary>
internal static class SkinnyGemmChecks
{
    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        ("skinny_products_on_both_sides", BothSides),
        ("skinny_products_from_the_left", FromTheLeft),
        ("skinny_products_twice_bit_equal", Twice),
        ("skinny_products_of_different_kinds_are_refused", Refused),
    ];

    private static void BothSides(ParityBench bench)
    {
        foreach (bool add in new[] { false, true })
        {
            Both(bench, 4096, [2048, 256, 256], 16, add);
            Both(bench, 1001, [5632, 8], 16, add);
            Both(bench, 37, [264], 8, add);
            Both(bench, 1, [72, 520, 8, 136], 16, add);
            Both(bench, 520, [1032], 24, add);
            Both(bench, 777, [584, 64], 40, add);
            Both(bench, 2049, [1032], 64, add);
            Both(bench, 130, [520, 8, 72, 136, 264, 16], 32, add);
        }
    }

    private static void FromTheLeft(ParityBench bench)
    {
        foreach (bool add in new[] { false, true })
        {
            Left(bench, 4096, 2048, 16, 3, add);
            Left(bench, 1001, 5632, 16, 1, add);
            Left(bench, 37, 264, 8, 2, add);
            Left(bench, 1, 72, 64, 1, add);
            Left(bench, 2049, 1032, 24, 5, add);
            Left(bench, 300, 8, 40, 3, add);
        }
    }

    private static void Both(ParityBench bench, int m, int[] widths, int rank, bool add)
    {
        var products = Products(bench, m, widths, rank, add, out var rightProducts, out var leftProducts);
        Assert(leftProducts[0].Device.Device is Backend device && device.TrySkinnyGemm(products));
        for (int i = 0; i < widths.Length; i++)
        {
            bench.Same(rightProducts[i], $"right product {m} × {widths[i]} of rank {rank}", 8e-3);
            bench.Same(leftProducts[i], $"left product {m} × {widths[i]} of rank {rank}", 1e-5);
        }
    }

    /// <summary>The products, with the expected results on the CPU.</summary>
    private static SkinnyGemm[] Products(ParityBench bench, int m, int[] widths, int rank, bool add, out Twin[] rightProducts,
        out Twin[] leftProducts)
    {
        rightProducts = [.. widths.Select(_ => bench.Empty([m, rank], DType.BF16))];
        leftProducts = [.. widths.Select(n => bench.Target([n, rank], add))];
        var products = new SkinnyGemm[widths.Length];
        for (int i = 0; i < widths.Length; i++)
        {
            Twin x = bench.Random([m, widths[i]], DType.BF16), right = bench.Random([widths[i], rank], DType.BF16),
                left = bench.Random([m, rank], DType.BF16);
            using var f32 = bench.Cpu.NewTensor([m, rank]);
            bench.Cpu.MatMul(x.Cpu, false, right.Cpu, false, f32, 0.5f + i);
            bench.Cpu.Cast(f32, rightProducts[i].Cpu);
            bench.Cpu.MatMul(x.Cpu, true, left.Cpu, false, leftProducts[i].Cpu, 1, add);
            products[i] = new SkinnyGemm(x.Device, right.Device, rightProducts[i].Device, 0.5f + i, left.Device, leftProducts[i].Device,
                add);
        }
        return products;
    }

    private static void Left(ParityBench bench, int m, int n, int rank, int count, bool add)
    {
        var x = bench.Random([m, n], DType.BF16);
        Twin[] left = [.. Enumerable.Range(0, count).Select(_ => bench.Random([m, rank], DType.BF16))],
            leftProducts = [.. left.Select(_ => bench.Target([rank, n], add))];
        for (int i = 0; i < count; i++)
        {
            bench.Cpu.MatMul(left[i].Cpu, true, x.Cpu, false, leftProducts[i].Cpu, 1, add);
        }
        SkinnyGemm[] products = [.. left.Zip(leftProducts, (l, a) => new SkinnyGemm(x.Device, null, null, 1, l.Device, a.Device, add))];
        Assert(x.Device.Device is Backend device && device.TrySkinnyGemm(products));
        foreach (var sum in leftProducts)
        {
            bench.Same(sum, $"{count} of {m} × {n} of rank {rank}", 1e-5);
        }
    }

    private static void Twice(ParityBench bench)
    {
        var products = Products(bench, 2049, [2048, 264], 16, false, out var rightProducts, out var leftProducts);
        var results = rightProducts.Concat(leftProducts).Select(twin => twin.Device).ToArray();
        Assert(leftProducts[0].Device.Device is Backend device && device.TrySkinnyGemm(products));
        byte[][] first = [.. results.Select(tensor => tensor.ToBytes())];
        Assert(leftProducts[0].Device.Device is Backend again && again.TrySkinnyGemm(products));
        Assert(results.Zip(first).All(pair => pair.First.ToBytes().AsSpan().SequenceEqual(pair.Second)));
    }

    private static void Refused(ParityBench bench)
    {
        var products = Products(bench, 64, [72, 72], 16, true, out _, out var leftProducts);
        var device = (Backend)leftProducts[0].Device.Device;
        Assert(!device.TrySkinnyGemm([products[0], products[1] with { Right = null, RightProduct = null }]));
        Assert(!device.TrySkinnyGemm([products[0], products[1] with { LeftProduct = products[0].LeftProduct }]));
        Assert(!device.TrySkinnyGemm([products[0] with { X = bench.Random([64, 72]).Device }]));
    }

    private static void Assert(bool holds)
    {
        if (!holds)
        {
            throw new InvalidOperationException("the tensor cores refused it, or accepted what they must refuse, or two runs differ");
        }
    }
}

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Quantised weights: codes, scales and dequantised numbers to the bit, products with INT8 within rounding.</summary>
internal static class QuantizedChecks
{
    private static readonly QuantizedFormat[] FourBits =
    [
        new(QuantizedKind.NF4), new(QuantizedKind.NF4, DoubleQuantized: true), new(QuantizedKind.FP4),
        new(QuantizedKind.FP4, DoubleQuantized: true), new(QuantizedKind.NF4, BlockSize: 128, DoubleQuantized: true),
    ];

    private static readonly QuantizedFormat Int8 = new(QuantizedKind.Int8, BlockSize: 0);

    public static IEnumerable<(string Name, Action<ParityBench> Body)> All =>
    [
        .. FourBits.Append(Int8).Select(format => ($"quantized_conversions_of_{NameOf(format)}",
            (Action<ParityBench>)(bench => Conversions(bench, format)))),
        ("quantized_block_of_zeros", Zeros),
        ("quantized_int8_product", bench => Int8Products(bench, 0)),
        ("quantized_int8_product_with_outlier_columns", bench => Int8Products(bench, 6)),
        ("quantized_int8_product_of_bf16", Int8ProductsOfBf16),
    ];

    /// <summary>Checks for cards with tensor cores: their kernels against the dequantised weight.</summary>
    public static IEnumerable<(string Name, Action<ParityBench> Body)> TensorCores =>
        FourBits.Where(format => format.BlockSize == 64)
            .Select(format => ($"streamed_product_of_{NameOf(format)}", (Action<ParityBench>)(bench => Streamed(bench, format))));

    private static string NameOf(QuantizedFormat format) =>
        $"{format.Kind}_{format.BlockSize}{(format.DoubleQuantized ? "_double" : "")}".ToLowerInvariant();

    private static void Conversions(ParityBench bench, QuantizedFormat format)
    {
        foreach (var (rows, columns) in new[] { (1, 1), (3, 21), (bench.Size(8, 264), 64), (bench.Size(13, 301), bench.Size(67, 515)),
            (bench.Size(33, 1024), bench.Size(40, 4096)), (bench.Size(5, 261), bench.Size(64, 8)), (7, bench.Size(24, 1032)) })
        {
            foreach (var dtype in new[] { DType.F32, DType.BF16, DType.F16 })
            {
                Conversion(bench, format, [rows, columns], dtype);
            }
        }
    }

    private static void Conversion(ParityBench bench, QuantizedFormat format, Shape shape, DType dtype)
    {
        var numbers = bench.Random(shape, dtype, 0.3f);
        var weight = Quantized(bench, numbers, format);
        string what = $"{format.Name} of {dtype}{shape}";
        SameParts(weight, format.PartsOf(shape), what);
        foreach (var to in new[] { DType.F32, DType.BF16, DType.F16 })
        {
            var back = bench.Empty(shape, to);
            bench.Run((b, t) => b.Dequantize(t(weight), t(back)));
            bench.Same(back, $"{what} to {to}", 0);
        }
    }

    private static void Zeros(ParityBench bench)
    {
        float[] values = new float[200];
        values.AsSpan(64, 30).Fill(-0.5f);
        foreach (var format in FourBits.Append(Int8))
        {
            var weight = Quantized(bench, bench.Floats(values, [10, 20]), format);
            SameParts(weight, format.PartsOf([10, 20]), format.Name);
            var back = bench.Empty([10, 20]);
            bench.Run((b, t) => b.Dequantize(t(weight), t(back)));
            bench.Same(back, format.Name, 0);
        }
    }

    private static void Int8Products(ParityBench bench, float threshold)
    {
        var format = Int8 with { Threshold = threshold };
        foreach (var (m, n, k) in new[] { (1, bench.Size(5, 260), bench.Size(16, 4096)), (bench.Size(7, 301), bench.Size(9, 203),
            bench.Size(33, 515)), (bench.Size(9, 515), bench.Size(12, 392), bench.Size(48, 1040)),
            (bench.Size(4, 130), 16, bench.Size(64, 64)), (3, 1, 20) })
        {
            var weight = Quantized(bench, bench.Random([n, k]), format);
            foreach (bool accumulate in new[] { false, true })
            {
                var x = WithOutliers(bench, m, k);
                var y = bench.Target([m, n], accumulate);
                bench.Run((b, t) => b.Int8MatMul(t(x), t(weight), t(y), accumulate));
                bench.Same(y, $"({m}×{k})·({k}×{n}), threshold {threshold}", 2e-6);
            }
        }
    }

    private static void Int8ProductsOfBf16(ParityBench bench)
    {
        foreach (var (m, n, k) in new[] { (1, bench.Size(5, 260), bench.Size(16, 4096)), (bench.Size(7, 301), bench.Size(9, 203),
            bench.Size(33, 515)), (bench.Size(9, 2052), bench.Size(12, 392), bench.Size(48, 1040)) })
        {
            var weight = Quantized(bench, bench.Random([n, k]), Int8);
            foreach (bool accumulate in new[] { false, true })
            {
                Twin x = bench.Activation([m, k]), y = bench.Result([m, n], accumulate);
                bench.Run((b, t) => b.Int8MatMul(t(x), t(weight), t(y), accumulate));
                bench.Same(y, $"({m}×{k})·({k}×{n}) of BF16", 4e-3);
            }
        }
    }

    // Some columns have numbers beyond 6.
    private static Twin WithOutliers(ParityBench bench, int m, int k)
    {
        var x = bench.Random([m, k], scale: 3);
        float[] values = x.Cpu.ToFloats();
        for (int i = 0; i < values.Length; i += 37)
        {
            if (i % k % 5 == 2)
            {
                values[i] *= 4;
            }
        }
        return bench.Floats(values, [m, k]);
    }

    private static void Streamed(ParityBench bench, QuantizedFormat format)
    {
        foreach (var (m, n, k) in new[] { (1, 2176, 4096), (2, 1024, 4096), (3, 33, 64), (8, 515, 1088), (9, 259, 320), (16, 264, 14336),
            (17, 100, 832), (33, 2200, 256), (QuantizedProducts.MostStreamedRows, 72, 5120) })
        {
            One(bench, format, m, n, k);
        }
    }

    private static void One(ParityBench bench, QuantizedFormat format, int m, int n, int k)
    {
        var weight = Quantized(bench, bench.Random([n, k], scale: 0.1f), format);
        var device = (Backend)weight.Device.Device;
        if (!device.TakesQuantized(weight.Device, m, true) || device.TakesQuantized(weight.Device, m, false)
            || device.TakesQuantized(weight.Device, QuantizedProducts.MostStreamedRows + 1, true))
        {
            throw new InvalidOperationException($"{format.Name} {n} × {k} must be taken for {m} rows, transposed only, and " +
                $"not for more than {QuantizedProducts.MostStreamedRows}");
        }
        Twin x = bench.Activation([m, k]), bias = bench.Random([n], DType.BF16), numbers = bench.Empty([n, k]);
        bench.Run((b, t) => b.Dequantize(t(weight), t(numbers)));
        foreach (var (dtype, add) in new[] { (DType.F32, false), (DType.F32, true), (DType.BF16, false), (DType.BF16, true) })
        {
            var y = dtype == DType.F32 ? bench.Target([m, n], add) : bench.Result([m, n], add);
            bench.Cpu.MatMulSum([new GemmOperands(x.Cpu, false, numbers.Cpu, true)], y.Cpu, bias.Cpu, add);
            device.MatMulSum([new GemmOperands(x.Device, false, weight.Device, true)], y.Device, bias.Device, add);
            bench.Same(y, $"{format.Name} {m} rows, {n} × {k}, to {dtype}{(add ? ", added" : "")}", 1e-2);
        }
    }

    private static Twin Quantized(ParityBench bench, Twin numbers, QuantizedFormat format)
    {
        var shape = numbers.Cpu.Shape;
        var weight = new Twin(bench.Cpu.NewTensor(shape, format), ((Backend)numbers.Device.Device).NewTensor(shape, format));
        bench.Run((b, t) => b.Quantize(t(numbers), t(weight)));
        return weight;
    }

    // Bytes between the parts are not written.
    private static void SameParts(Twin weight, QuantizedParts parts, string what)
    {
        byte[] expected = new byte[parts.Bytes], actual = new byte[parts.Bytes];
        ((Backend)weight.Cpu.Device).Download(weight.Cpu, expected);
        ((Backend)weight.Device.Device).Download(weight.Device, actual);
        long scales = parts.Scales + (parts.Mean == 0 ? sizeof(float) : 1) * parts.ScaleCount;
        for (long i = 0; i < parts.Bytes; i++)
        {
            bool between = (i >= parts.CodeBytes && i < parts.Scales) || (parts.Mean != 0 && i >= scales && i < parts.ScaleScales);
            if (!between && expected[i] != actual[i])
            {
                throw new InvalidOperationException($"{what}: byte {i} of {parts} is {actual[i]}, expected {expected[i]}");
            }
        }
    }
}

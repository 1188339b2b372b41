using System.Globalization;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using PeftCore.Tensors;

namespace PeftCore.Bench;

/// <summary>The products of a frozen weight in a training step on a device; on a card the peer is bench/peers/gemm_torch.py.</summary>
[Config(typeof(Settings))]
public class ProductBenchmark
{
    private Bench? _bench;
    private Tensor? _x, _weight, _y, _dx;

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    /// <summary>Rows, outputs, inputs.</summary>
    [Params("1024x512x192", "4096x2048x2048", "4096x5632x2048")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        var (rows, outputs, inputs) = Parse(Size);
        var bench = _bench = Bench.Open(Device);
        (_x, _dx) = (bench.Activation([rows, inputs]), bench.Activation([rows, inputs]));
        _y = bench.Activation([rows, outputs]);
        _weight = bench.Normal([outputs, inputs], DType.BF16, 0.02f);
    }

    [GlobalCleanup]
    public void Cleanup() => _bench?.Dispose();

    /// <summary>y = x·Wᵀ.</summary>
    [Benchmark]
    public void Forward()
    {
        _bench!.Backend.MatMul(_x!, false, _weight!, true, _y!);
        _bench.Backend.Synchronize();
    }

    /// <summary>dx = dy·W.</summary>
    [Benchmark]
    public void InputGradient()
    {
        _bench!.Backend.MatMul(_y!, false, _weight!, false, _dx!);
        _bench.Backend.Synchronize();
    }

    private static (int Rows, int Outputs, int Inputs) Parse(string size)
    {
        int[] parts = [.. size.Split('x').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
        return (parts[0], parts[1], parts[2]);
    }

    private sealed class Settings : ManualConfig
    {
        public Settings() => AddColumn(new Gflops("2·rows·outputs·inputs", benchmark =>
        {
            var (rows, outputs, inputs) = Parse((string)benchmark.Parameters[nameof(Size)]);
            return 2.0 * rows * outputs * inputs;
        }));
    }
}

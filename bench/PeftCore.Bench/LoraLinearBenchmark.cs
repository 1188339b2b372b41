using BenchmarkDotNet.Attributes;
using PeftCore.Autograd;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Bench;

/// <summary>A linear layer with LoRA, forward and backward: base and rank-r products in one sum, compared with the same layer composed of
/// separate ops.</summary>
public class LoraLinearBenchmark
{
    private const float Scale = 2;

    private Bench? _bench;
    private Tensor? _x, _weight, _a, _b;

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    /// <summary>Rows, inputs, outputs, rank.</summary>
    [Params("1024x192x512x8", "4096x2048x2048x16", "4096x2048x5632x16")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        int[] n = [.. Size.Split('x').Select(part => int.Parse(part, System.Globalization.CultureInfo.InvariantCulture))];
        var bench = _bench = Bench.Open(Device);
        _x = bench.Normal([n[0], n[1]], DType.F32).TrackGradient();
        _weight = bench.Normal([n[2], n[1]], DType.BF16, 0.02f);
        _a = bench.Normal([n[3], n[1]], DType.F32, 0.02f).TrackGradient();
        _b = bench.Normal([n[2], n[3]], DType.F32, 0.02f).TrackGradient();
    }

    [GlobalCleanup]
    public void Cleanup() => _bench?.Dispose();

    [Benchmark(Baseline = true)]
    public void Composed() => Run(x => x.Linear(_weight!) + x.MatMul(_a!, transposeB: true).MatMul(_b!, transposeB: true) * Scale);

    [Benchmark]
    public void Fused() => Run(x => x.LoraLinear(_weight!, null, false, new LowRankUpdate(_a!, _b!, Scale)));

    private void Run(Func<Tensor, Tensor> layer)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var backend = _bench!.Backend;
        var y = layer(_x!.Cast(backend.ActivationDType));
        tape.Backward(y, y.Detach());
        foreach (var leaf in new[] { _x!, _a!, _b! })
        {
            leaf.FreeGradient();
        }
        backend.Synchronize();
    }
}

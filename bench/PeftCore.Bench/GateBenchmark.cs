using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using PeftCore.Autograd;
using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;
using Tensor = PeftCore.Tensors.Tensor;

namespace PeftCore.Bench;

/// <summary>SwiGLU's gate, silu(gate)·up, as an op: alone, and with its gradients. The peer is the forward pass by System.Numerics.Tensors
/// on one core.</summary>
[Config(typeof(Settings))]
public class GateBenchmark
{
    private Bench? _bench;
    private Tensor? _gate, _up;
    private float[] _left = [], _right = [], _result = [];

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    /// <summary>Elements: base-llama's 1024 × 512, and 1024 × 5632.</summary>
    [Params(1024 * 512, 1024 * 5632)]
    public int Elements { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var bench = _bench = Bench.Open(Device);
        (_gate, _up) = (bench.Activation([Elements]).TrackGradient(), bench.Activation([Elements]).TrackGradient());
        (_left, _right, _result) = (new float[Elements], new float[Elements], new float[Elements]);
        Philox.FillUniform(_left, -1, 1, 1, 0);
        Philox.FillUniform(_right, -1, 1, 1, 1);
    }

    [GlobalCleanup]
    public void Cleanup() => _bench?.Dispose();

    [Benchmark(Baseline = true)]
    public void TensorPrimitivesForward()
    {
        TensorPrimitives.Sigmoid(_left, _result);
        TensorPrimitives.Multiply(_result, _left, _result);
        TensorPrimitives.Multiply(_result, _right, _result);
    }

    [Benchmark]
    public void Forward()
    {
        using var scope = new TensorScope();
        _gate!.Gate<Silu>(_up!);
        _bench!.Backend.Synchronize();
    }

    [Benchmark]
    public void BothWays()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var y = _gate!.Gate<Silu>(_up!);
        tape.Backward(y, y.Detach());
        _gate!.FreeGradient();
        _up!.FreeGradient();
        _bench!.Backend.Synchronize();
    }

    private sealed class Settings : ManualConfig
    {
        // In F32; forward reads two and writes one, both ways read and write three and five more.
        public Settings() => AddColumn(new Rate("GB/s", "what a pass must read and write in F32", benchmark =>
            (benchmark.Descriptor.WorkloadMethod.Name == nameof(BothWays) ? 8.0 : 3.0) * sizeof(float) *
            (int)benchmark.Parameters[nameof(Elements)]));
    }
}

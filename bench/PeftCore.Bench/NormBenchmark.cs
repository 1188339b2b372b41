using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using PeftCore.Kernels;
using PeftCore.Tensors;
using Tensor = PeftCore.Tensors.Tensor;

namespace PeftCore.Bench;

/// <summary>RMS norm forward and backward, compared with the forward pass by System.Numerics.Tensors on one core.</summary>
public class NormBenchmark
{
    private const float Epsilon = 1e-5f;

    private Bench? _bench;
    private Tensor? _x, _weight, _y, _rstd, _dy, _dx;
    private float[] _values = [], _result = [];

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    [Params(192, 2048)]
    public int Columns { get; set; }

    [Params(1024, 4096)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var bench = _bench = Bench.Open(Device);
        Shape shape = [Rows, Columns];
        (_x, _dy, _y, _dx) = (bench.Activation(shape), bench.Activation(shape), bench.Activation(shape), bench.Activation(shape));
        (_weight, _rstd) = (bench.Normal([Columns], DType.F32), bench.Empty([Rows], DType.F32));
        (_values, _result) = (new float[Rows * Columns], new float[Rows * Columns]);
        Philox.FillUniform(_values, -1, 1, 1, 0);
        Forward();
    }

    [GlobalCleanup]
    public void Cleanup() => _bench?.Dispose();

    [Benchmark(Baseline = true)]
    public void TensorPrimitivesForward()
    {
        var weight = _values.AsSpan(0, Columns);
        for (int row = 0; row < Rows; row++)
        {
            var x = _values.AsSpan(row * Columns, Columns);
            var y = _result.AsSpan(row * Columns, Columns);
            TensorPrimitives.Multiply(x, 1 / MathF.Sqrt((TensorPrimitives.SumOfSquares<float>(x) / Columns) + Epsilon), y);
            TensorPrimitives.Multiply(y, weight, y);
        }
    }

    [Benchmark]
    public void Forward()
    {
        _bench!.Backend.RmsNorm(_x!, _weight!, 0, _y!, _rstd!, Epsilon);
        _bench.Backend.Synchronize();
    }

    [Benchmark]
    public void Backward()
    {
        _bench!.Backend.RmsNormGradient(_x!, _weight!, 0, _rstd!, _dy!, _dx, false, null, false);
        _bench.Backend.Synchronize();
    }
}

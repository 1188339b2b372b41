using BenchmarkDotNet.Attributes;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Bench;

/// <summary>A language model's loss and the gradient of its hidden states: a chunk of logits at a time, compared with the version that
/// forms all logits.</summary>
public class CrossEntropyBenchmark
{
    private Bench? _bench;
    private Tensor? _hidden, _weight, _targets;

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    [Params("1024x192x4096", "1024x2048x32000")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        int[] n = [.. Size.Split('x').Select(part => int.Parse(part, System.Globalization.CultureInfo.InvariantCulture))];
        var bench = _bench = Bench.Open(Device);
        _hidden = bench.Activation([n[0], n[1]]);
        _weight = bench.Normal([n[2], n[1]], DType.BF16, 0.02f);
        _targets = bench.Add(bench.Backend.From(Enumerable.Range(0, n[0]).Select(row => row * 7919 % n[2]).ToArray(), [n[0]]));
    }

    [GlobalCleanup]
    public void Cleanup() => _bench?.Dispose();

    [Benchmark(Baseline = true)]
    public float WithAllLogits() => Loss((hidden, rows) => hidden.Linear(_weight!).CrossEntropy(_targets!, rows));

    [Benchmark]
    public float InChunks() => Loss((hidden, rows) => hidden.LinearCrossEntropy(_weight!, _targets!, rows));

    private float Loss(Func<Tensor, float, Tensor> loss)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var hidden = (_hidden! * 1f).Detach();
        var x = hidden.Cast(DType.F32).Detach().TrackGradient();
        var value = loss(x.Cast(_hidden!.DType), _hidden.Shape[0]);
        tape.Backward(value);
        x.FreeGradient();
        return value.Item();
    }
}

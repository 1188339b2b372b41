using System.Globalization;
using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;
using Tensor = PeftCore.Tensors.Tensor;

namespace PeftCore.Bench;

/// <summary>Causal attention on the CPU and, if present, on a card in bf16 (whose peer is bench/peers/attention_torch.py), compared with
/// forward attention on one core by System.Numerics.Tensors' dot products and softmax.</summary>
[Config(typeof(Settings))]
public class AttentionBenchmark
{
    private Bench? _bench;
    private AttentionCall _call;
    private Heads _q, _k, _v, _o, _dO, _dq, _dk, _dv;
    private Tensor? _lse, _delta;
    private float[] _values = [], _scores = [], _output = [];

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    /// <summary>Sequences, tokens, query heads, key heads, head dimension.</summary>
    [Params("1x128x4x4x64", "2x512x8x2x64", "2x1024x16x16x128")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        var s = Parse(Size);
        var bench = _bench = Bench.Open(Device);
        _call = new AttentionCall(s);
        (_q, _k, _v, _dO) = (Made(s, s.Heads), Made(s, s.KeyHeads), Made(s, s.KeyHeads), Made(s, s.Heads));
        (_o, _dq, _dk, _dv) = (Made(s, s.Heads), Made(s, s.Heads), Made(s, s.KeyHeads), Made(s, s.KeyHeads));
        Shape rows = [s.Batch, s.Heads, s.QueryLength];
        (_lse, _delta) = (bench.Empty(rows, DType.F32), bench.Empty(rows, DType.F32));
        _values = new float[s.QueryLength * s.HeadDim];
        Philox.FillUniform(_values, -1, 1, 1, 0);
        (_scores, _output) = (new float[s.KeyLength], new float[s.HeadDim]);
        Forward();
    }

    [GlobalCleanup]
    public void Cleanup() => _bench?.Dispose();

    [Benchmark(Baseline = true)]
    public void TensorPrimitivesForward()
    {
        var s = Parse(Size);
        for (int head = 0; head < s.Batch * s.Heads; head++)
        {
            for (int i = 0; i < s.QueryLength; i++)
            {
                var scores = _scores.AsSpan(0, i + 1);
                for (int j = 0; j <= i; j++)
                {
                    scores[j] = s.Scale * TensorPrimitives.Dot(Row(s, i), Row(s, j));
                }
                TensorPrimitives.SoftMax(scores, scores);
                _output.AsSpan().Clear();
                for (int j = 0; j <= i; j++)
                {
                    TensorPrimitives.MultiplyAdd(Row(s, j), scores[j], _output, _output);
                }
            }
        }
    }

    [Benchmark]
    public void Forward()
    {
        _bench!.Backend.Attention(_call, _q, _k, _v, _o, _lse!);
        _bench.Backend.Synchronize();
    }

    [Benchmark]
    public void Backward()
    {
        _bench!.Backend.AttentionGradient(_call, _q, _k, _v, _o, _dO, _lse!, _delta!, _dq, false, _dk, false, _dv, false, null, null);
        _bench.Backend.Synchronize();
    }

    private static AttentionShape Parse(string size)
    {
        int[] n = [.. size.Split('x').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
        return new AttentionShape(n[0], n[1], n[1], n[2], n[3], n[4], 1 / MathF.Sqrt(n[4]), 0);
    }

    private ReadOnlySpan<float> Row(AttentionShape s, int token) => _values.AsSpan(token * s.HeadDim, s.HeadDim);

    private Heads Made(AttentionShape s, int heads) =>
        new(_bench!.Activation([s.Batch, s.QueryLength, heads * s.HeadDim]), heads, s.HeadDim);

    private sealed class Settings : ManualConfig
    {
        public Settings() => AddColumn(new Gflops("two products forward, five backward, half of each for the mask,", benchmark =>
        {
            var s = Parse((string)benchmark.Parameters[nameof(Size)]);
            double forward = 2.0 * s.Batch * s.Heads * s.QueryLength * s.KeyLength * s.HeadDim;
            return benchmark.Descriptor.WorkloadMethod.Name == nameof(Backward) ? 2.5 * forward : forward;
        }));
    }
}

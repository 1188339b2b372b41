using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tensors;

namespace PeftCore.Bench;

/// <summary>Generation with a KV cache: 32 tokens after a prompt of 128, as time per token. The peer is
/// bench/peers/generate_torch_cpu.py; `peftcore bench generate` accepts any shape and reports prefill and decoding separately.</summary>
[Config(typeof(Settings))]
public class GenerateBenchmark
{
    private const int PromptLength = 128, NewTokens = 32;

    private readonly int[] _prompt = [.. Enumerable.Range(0, PromptLength).Select(i => i * 31 % 4000)];
    private Bench? _bench;
    private CausalModel? _model;
    private Generator? _generator;

    public static IEnumerable<string> Devices => Bench.Devices;

    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "cpu";

    [Params("base-llama", "gpt2-124m")]
    public string Model { get; set; } = "";

    /// <summary>Dtype of the weights.</summary>
    [Params("F32", "BF16")]
    public string Weights { get; set; } = "";

    /// <summary>Dtype of the KV cache.</summary>
    [Params("F32", "BF16")]
    public string Cache { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        var bench = _bench = Bench.Open(Device);
        _model = Model == "gpt2-124m"
            ? new Decoder(Gpt2.Of(50257, 768, 3072, 12, 12, 1024))
            : new Decoder(Shapes.BaseLlama);
        ModelLoader.Initialize(_model, bench.Backend, DTypeOf(Weights));
        _generator = new Generator(_model, bench.Backend);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _model?.Dispose();
        _bench?.Dispose();
    }

    [Benchmark(OperationsPerInvoke = NewTokens)]
    public GenerationResult Generate() =>
        _generator!.Generate(_prompt, new GenerationOptions { MaxNewTokens = NewTokens, KvCacheDType = DTypeOf(Cache) });

    private static DType DTypeOf(string name) => name == "BF16" ? DType.BF16 : DType.F32;

    private sealed class Settings : ManualConfig
    {
        public Settings() =>
            AddColumn(new Rate("tok/s", "new tokens, the reading of the prompt included; peer: bench/peers/generate_torch_cpu.py;",
                _ => 1e9));
    }
}

using System.CommandLine;
using System.Globalization;
using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Times a mixture of experts beside products of as many rows with one matrix. The default is the shape of
/// Qwen3-30B-A3B.</summary>
internal sealed class BenchMoeVerb : Verb
{
    private readonly Option<int> _tokens = NumberOption.Whole("--tokens", "tokens", 8192);
    private readonly Option<int> _hidden = NumberOption.Whole("--hidden", "size of a hidden state", 2048);
    private readonly Option<int> _inner = NumberOption.Whole("--intermediate", "size of an expert's hidden layer", 768);
    private readonly Option<int> _experts = NumberOption.Whole("--experts", "experts", 128);
    private readonly Option<int> _perToken = NumberOption.Whole("--top-k", "experts of a token", 8);
    private readonly Option<string> _dtype = new Option<string>("--dtype")
    {
        Description = "how matrices are stored, and activations where the device has BF16 ones",
        DefaultValueFactory = _ => "bf16",
    }.AcceptOnlyFromAmong("f32", "bf16");

    public BenchMoeVerb() : base("moe", "Time the products of a mixture of experts.")
    {
        foreach (var option in (Option[])[_tokens, _hidden, _inner, _experts, _perToken, _dtype])
        {
            Add(option);
        }
    }

    public override VerbResult Run(Invocation call)
    {
        int tokens = call.Value(_tokens), hidden = call.Value(_hidden), inner = call.Value(_inner), experts = call.Value(_experts),
            perToken = call.Value(_perToken);
        if (perToken > experts)
        {
            throw new BadInputException($"--top-k is {perToken}, but there are {experts} experts; give at most as many");
        }
        BenchSizes.Check("--experts, --hidden and --intermediate", experts, hidden, inner);
        BenchSizes.Check("--tokens, --top-k, --hidden and --intermediate", tokens, perToken, Math.Max(hidden, inner));
        var dtype = call.Value(_dtype) == "bf16" ? DType.BF16 : DType.F32;
        using var backend = Devices.Open(call.Device, compute: dtype);
        var (ragged, dense, layer) = KernelBenchmarks.Experts(backend, tokens, hidden, inner, experts, perToken, dtype);
        double flops = 6.0 * tokens * perToken * hidden * inner;
        double raggedRate = Rate(flops, ragged), denseRate = Rate(flops, dense), layerRate = Rate(flops, layer);
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"products of {experts} experts: {raggedRate:N0} GFLOP/s, {Median(ragged):0.0000} ms"));
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"of one matrix and as many rows: {denseRate:N0} GFLOP/s, {Median(dense):0.0000} ms; ratio {raggedRate / denseRate:0.000}"));
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"the layer with its routing: {layerRate:N0} GFLOP/s, {Median(layer):0.0000} ms; ratio {layerRate / denseRate:0.000}"));
        return VerbResult.Done(new JsonReport().Add("gflops_experts", raggedRate).Add("gflops_dense", denseRate)
            .Add("gflops_layer", layerRate).Add("ratio", raggedRate / denseRate).Add("ratio_layer", layerRate / denseRate)
            .Add("ms_experts", Median(ragged)).Add("ms_dense", Median(dense)).Add("ms_layer", Median(layer)));
    }

    private static double Rate(double flops, double[] times) => flops / (Median(times) * 1e6);

    private static double Median(double[] times) => times[times.Length / 2];
}

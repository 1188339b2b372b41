using System.CommandLine;
using System.Globalization;
using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Times causal attention, forward and backward.</summary>
internal sealed class BenchAttentionVerb : Verb
{
    private readonly Option<int> _batch = Size("--batch-size", "sequences", 4);
    private readonly Option<int> _length = Size("--length", "tokens of a sequence", 1024);
    private readonly Option<int> _heads = Size("--heads", "query heads", 16);
    private readonly Option<int?> _keyHeads = NumberOption.WholeOrNone("--kv-heads",
        "key and value heads [default: as many as query heads]");
    private readonly Option<int> _dim = Size("--head-dim", "elements of a head", 64);
    private readonly Option<string> _dtype = new Option<string>("--dtype")
    {
        Description = "how heads are stored, where the device has BF16 activations",
        DefaultValueFactory = _ => "f32",
    }.AcceptOnlyFromAmong("f32", "bf16");

    public BenchAttentionVerb() : base("attention", "Time causal attention, forward and backward.")
    {
        foreach (var option in (Option[])[_batch, _length, _heads, _keyHeads, _dim, _dtype])
        {
            Add(option);
        }
    }

    public override VerbResult Run(Invocation call)
    {
        int batch = call.Value(_batch), length = call.Value(_length), heads = call.Value(_heads), dim = call.Value(_dim);
        int keyHeads = call.Value(_keyHeads) ?? heads;
        if (heads % keyHeads != 0)
        {
            throw new BadInputException($"--heads {heads} --kv-heads {keyHeads}: the query heads must be a multiple of the key heads.");
        }
        BenchSizes.Check("--batch-size, --length, --heads and --head-dim", batch, length, heads, dim);
        var dtype = call.Value(_dtype) == "bf16" ? DType.BF16 : DType.F32;
        call.Note(SettingRules.DtypeOn(call.Device, dtype));
        using var backend = Devices.Open(call.Device, compute: dtype);
        var (forward, backward) = KernelBenchmarks.Attention(backend, batch, length, heads, keyHeads, dim);

        // Two matrix products forward, five backward; a causal mask halves them.
        double gflop = 2e-9 * batch * heads * length * (double)length * dim;
        var report = new JsonReport();
        Say(call, report, "forward", forward, gflop);
        Say(call, report, "backward", backward, 2.5 * gflop);
        return VerbResult.Done(report);
    }

    private static void Say(Invocation call, JsonReport report, string what, double[] times, double gflop)
    {
        double median = times[times.Length / 2], rate = 1e3 * gflop / median;
        call.Say(string.Create(CultureInfo.InvariantCulture, $"{what}: {rate:N0} GFLOP/s, {median:0.0000} ms (best {times[0]:0.0000})"));
        report.Add($"{what}_gflops", rate).Add($"{what}_ms_median", median).Add($"{what}_ms_min", times[0]);
    }

    private static Option<int> Size(string name, string description, int value) => NumberOption.Whole(name, description, value);
}

using System.CommandLine;
using System.Globalization;
using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Times a matrix product, by default x·Wᵀ, the product of a linear layer.</summary>
internal sealed class BenchGemmVerb : Verb
{
    private readonly Option<int> _m = Size("--m", "rows of the result");
    private readonly Option<int> _n = Size("--n", "columns of the result");
    private readonly Option<int> _k = Size("--k", "what is summed over");
    private readonly Option<string> _dtype = new Option<string>("--dtype")
    {
        Description = "how operands and result are stored; without BF16 activations on the device, the second operand alone",
        DefaultValueFactory = _ => "f32",
    }.AcceptOnlyFromAmong("f32", "bf16");

    private readonly Option<string> _layout = new Option<string>("--layout")
    {
        Description = "for each operand, whether it is stored as it stands in the product (n) or transposed (t); nt is x·Wᵀ",
        DefaultValueFactory = _ => "nt",
    }.AcceptOnlyFromAmong("nn", "nt", "tn", "tt");

    private readonly Option<string?> _quantized = new Option<string?>("--quantized")
    {
        Description = "the second operand is quantised: its product, with dequantising it where that comes first, and dequantising alone",
    }.AcceptOnlyFromAmong("nf4", "nf4-double", "fp4", "fp4-double", "int8");

    public BenchGemmVerb() : base("gemm", "Time a matrix product.")
    {
        foreach (var option in (Option[])[_m, _n, _k, _dtype, _layout, _quantized])
        {
            Add(option);
        }
    }

    public override VerbResult Run(Invocation call)
    {
        int m = call.Value(_m), n = call.Value(_n), k = call.Value(_k);
        BenchSizes.Check("--m and --n", m, n);
        BenchSizes.Check("--m and --k", m, k);
        BenchSizes.Check("--k and --n", k, n);
        bool transposeA = call.Value(_layout) is "tn" or "tt", transposeB = call.Value(_layout) is "nt" or "tt";
        var dtype = call.Value(_dtype) == "bf16" ? DType.BF16 : DType.F32;
        using var backend = Devices.Open(call.Device, compute: dtype);
        var (times, dequantize) = KernelBenchmarks.Gemm(backend, m, n, k, dtype, transposeA, transposeB, call.Value(_quantized));
        double median = times[times.Length / 2];
        double gflops = 2.0 * m * n * k / (median * 1e6);
        call.Say(string.Create(CultureInfo.InvariantCulture,
            $"{Stored(m, k, transposeA)}·{Stored(k, n, transposeB)}: {gflops:N0} GFLOP/s, {median:0.0000} ms (best {times[0]:0.0000})"));
        var report = new JsonReport().Add("gflops", gflops).Add("ms_median", median).Add("ms_min", times[0]);
        if (dequantize.Length > 0)
        {
            double ms = dequantize[dequantize.Length / 2];
            double written = (double)n * k * (backend.ActivationDType == DType.BF16 && dtype == DType.BF16 ? 2 : 4) / (ms * 1e6);
            call.Say(string.Create(CultureInfo.InvariantCulture,
                $"dequantising {Stored(k, n, transposeB)}: {written:N0} GB/s written, {ms:0.0000} ms (best {dequantize[0]:0.0000})"));
            report.Add("dequantize_ms_median", ms).Add("dequantize_ms_min", dequantize[0]);
        }
        return VerbResult.Done(report);
    }

    private static string Stored(int rows, int columns, bool transposed) =>
        transposed ? $"({columns} × {rows})ᵀ" : $"({rows} × {columns})";

    private static Option<int> Size(string name, string description) => NumberOption.Whole(name, description, 1024);
}

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using PeftCore.Backends;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Times x·Wᵀ, the product every linear layer is made of.</summary>
internal sealed class BenchGemmVerb : Verb
{
    private const int Repeats = 20;

    private readonly Option<int> _m = Size("--m", "rows of x");
    private readonly Option<int> _n = Size("--n", "outputs: rows of W");
    private readonly Option<int> _k = Size("--k", "inputs: columns of x and W");
    private readonly Option<string> _dtype = new Option<string>("--dtype") { Description = "how W is stored", DefaultValueFactory = _ => "f32" }.AcceptOnlyFromAmong("f32", "bf16");

    public BenchGemmVerb() : base("gemm", "Time a matrix product.")
    {
        foreach (Option option in (Option[])[_m, _n, _k, _dtype])
        {
            Add(option);
        }
    }

    public override VerbResult Run(Invocation call)
    {
        int m = call.Value(_m), n = call.Value(_n), k = call.Value(_k);
        if (m < 1 || n < 1 || k < 1)
        {
            throw new BadInputException($"--m {m} --n {n} --k {k}: sizes must be at least 1.");
        }
        using var scope = new TensorScope();
        using var backend = Devices.Open(call.Device, compute: call.Value(_dtype) == "bf16" ? DType.BF16 : DType.F32);
        var x = backend.NewTensor([m, k]);
        backend.FillNormal(x, 0, 1, 1, 0);
        var w = backend.NewTensor([n, k]);
        backend.FillNormal(w, 0, 1, 1, 1);
        if (call.Value(_dtype) == "bf16")
        {
            var narrow = backend.NewTensor([n, k], DType.BF16);
            backend.Cast(w, narrow);
            w = narrow;
        }
        var times = new List<double>();
        for (int i = 0; i < Repeats + 3; i++)
        {
            using var inner = new TensorScope();
            long start = Stopwatch.GetTimestamp();
            x.Linear(w);
            backend.Synchronize();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        times.RemoveRange(0, 3);
        double median = times.Order().ElementAt(times.Count / 2);
        double gflops = 2.0 * m * n * k / (median * 1e6);
        call.Say(string.Create(CultureInfo.InvariantCulture, $"({m} × {k})·({n} × {k})ᵀ: {gflops:N0} GFLOP/s, {median:0.000} ms (best {times.Min():0.000})"));
        return VerbResult.Done(new JsonReport().Add("gflops", gflops).Add("ms_median", median).Add("ms_min", times.Min()));
    }

    private static Option<int> Size(string name, string description) => new(name) { Description = description + " [default: 1024]", DefaultValueFactory = _ => 1024 };
}

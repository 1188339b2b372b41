using System.Globalization;
using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using PeftCore.Kernels;

namespace PeftCore.Bench;

/// <summary>
/// The products of a LoRA step on one core and on all, compared with the same product by System.Numerics.Tensors' dot products on one core.
/// </summary>
[Config(typeof(Settings))]
public class GemmBenchmark
{
    private float[] _a = [], _b = [], _c = [];
    private readonly WorkerPool _one = new(1), _all = new(Environment.ProcessorCount);

    /// <summary>Rows of x, outputs, inputs.</summary>
    [Params("512x512x512", "1024x1024x1024", "1024x192x192", "1024x512x4096", "1024x4096x512", "1024x8x512", "1024x512x8", "1024x512x16",
        "1x4096x4096")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        (int m, int n, int k) = Parse(Size);
        _a = new float[m * k];
        _b = new float[n * k];
        _c = new float[m * n];
        Philox.FillUniform(_a, -1, 1, 1, 0);
        Philox.FillUniform(_b, -1, 1, 1, 1);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _one.Dispose();
        _all.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void TensorPrimitivesDot()
    {
        (int m, int n, int k) = Parse(Size);
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                _c[(i * n) + j] = TensorPrimitives.Dot(_a.AsSpan(i * k, k), _b.AsSpan(j * k, k));
            }
        }
    }

    [Benchmark]
    public void OneCore() => Multiply(_one);

    [Benchmark]
    public void AllCores() => Multiply(_all);

    private static (int M, int N, int K) Parse(string size)
    {
        int[] parts = [.. size.Split('x').Select(p => int.Parse(p, CultureInfo.InvariantCulture))];
        return (parts[0], parts[1], parts[2]);
    }

    private void Multiply(WorkerPool pool)
    {
        (int m, int n, int k) = Parse(Size);
        Gemm.Multiply(m, n, k, Operand.F32(_a, k), false, Operand.F32(_b, k), true, _c, n, 1f, false, pool);
    }

    private sealed class Settings : ManualConfig
    {
        public Settings() => AddColumn(new Gflops("2·m·n·k", benchmark =>
        {
            (int m, int n, int k) = Parse((string)benchmark.Parameters[nameof(Size)]);
            return 2.0 * m * n * k;
        }));
    }
}

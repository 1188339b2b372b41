using System.Diagnostics;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>Times single kernels of a device on normally distributed numbers; zeros would run faster than real data.</summary>
public static class KernelBenchmarks
{
    private const int Repeats = 20, WarmUps = 3;
    private const double LongEnough = 2e-3; // seconds of work per synchronization
    private const double WarmUpSeconds = 0.5; // until the JIT compiler has replaced what it compiled first

    /// <summary>Times C (m, n) = op(A)·op(B).</summary>
    /// <param name="backend">The device.</param>
    /// <param name="m">Rows of C.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="k">The summed dimension.</param>
    /// <param name="dtype">The dtype of B. A and C have it too if it is the device's dtype of activations.</param>
    /// <param name="transposeA">A is stored (k, m).</param>
    /// <param name="transposeB">B is stored (n, k), as the weight of a linear layer.</param>
    /// <param name="quantization">The format of a quantised B: nf4, fp4, nf4-double or fp4-double (with quantised scales), or int8; null
    /// for none. The product includes dequantising it, or is that of LLM.int8().</param>
    /// <returns>The times of single runs in milliseconds, sorted: of the product, and of dequantising B alone, if it is
    /// quantised.</returns>
    /// <exception cref="ArgumentException">The format is not known.</exception>
    public static (double[] Product, double[] Dequantize) Gemm(Backend backend, int m, int n, int k, DType dtype, bool transposeA,
        bool transposeB, string? quantization = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        using var scope = new TensorScope();
        var activations = dtype == DType.BF16 ? backend.ActivationDType : DType.F32;
        var a = Normal(backend, transposeA ? [k, m] : [m, k], activations, 0);
        var b = Normal(backend, transposeB ? [n, k] : [k, n], dtype, 1);
        var c = backend.NewTensor([m, n], activations);
        if (quantization is null)
        {
            return (Milliseconds(backend, () => backend.MatMul(a, transposeA, b, transposeB, c)), []);
        }
        var weight = backend.NewTensor(b.Shape, FormatOf(quantization));
        backend.Quantize(b, weight);
        double[] dequantize = Milliseconds(backend, () => backend.Dequantize(weight, b));
        return (Milliseconds(backend, Product), dequantize);

        void Product()
        {
            if (weight.Format is { QuantizesRows: true } && transposeB && !transposeA)
            {
                backend.Int8MatMul(a, weight, c, false);
            }
            else if (backend.TakesQuantized(weight, m, transposeB))
            {
                backend.MatMul(a, transposeA, weight, transposeB, c);
            }
            else
            {
                backend.Dequantize(weight, b);
                backend.MatMul(a, transposeA, b, transposeB, c);
            }
        }
    }

    private static QuantizedFormat FormatOf(string name) => name switch
    {
        "nf4" => new QuantizedFormat(QuantizedKind.NF4),
        "nf4-double" => new QuantizedFormat(QuantizedKind.NF4, DoubleQuantized: true),
        "fp4" => new QuantizedFormat(QuantizedKind.FP4),
        "fp4-double" => new QuantizedFormat(QuantizedKind.FP4, DoubleQuantized: true),
        "int8" => new QuantizedFormat(QuantizedKind.Int8, BlockSize: 0),
        _ => throw new ArgumentException($"{name} is not a format of quantised weights: nf4, nf4-double, fp4, fp4-double or int8",
            nameof(name)),
    };

    /// <summary>Times causal attention and its gradients.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Tokens of a sequence.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="keyHeads">Key and value heads, of which the query heads are a multiple.</param>
    /// <param name="headDim">Elements of a head.</param>
    /// <returns>The times of single runs in milliseconds, sorted.</returns>
    public static (double[] Forward, double[] Backward) Attention(Backend backend, int batch, int length, int heads, int keyHeads,
        int headDim)
    {
        ArgumentNullException.ThrowIfNull(backend);
        using var scope = new TensorScope();
        Heads q = Made(heads, 0), k = Made(keyHeads, 1), v = Made(keyHeads, 2), dO = Made(heads, 3);
        Heads o = Made(heads, 4), dq = Made(heads, 5), dk = Made(keyHeads, 6), dv = Made(keyHeads, 7);
        Tensor lse = backend.NewTensor([batch, heads, length]), delta = backend.NewTensor([batch, heads, length]);
        var call = new AttentionCall(new AttentionShape(batch, length, length, heads, keyHeads, headDim, 1 / MathF.Sqrt(headDim), 0));
        double[] forward = Milliseconds(backend, () => backend.Attention(call, q, k, v, o, lse));
        double[] backward = Milliseconds(backend, () =>
            backend.AttentionGradient(call, q, k, v, o, dO, lse, delta, dq, false, dk, false, dv, false, null, null));
        return (forward, backward);

        Heads Made(int count, ulong stream) =>
            new(Normal(backend, [batch, length, count * headDim], backend.ActivationDType, stream), count, headDim);
    }

    /// <summary>Times a mixture of experts, forward: its two products over rows sorted by expert, the same products with one matrix for all
    /// rows, and the whole layer from the router's scores on. Scores are random, so that experts have different numbers of rows.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="columns">Size of a hidden state, C.</param>
    /// <param name="inner">Size of an expert's hidden layer.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="perToken">Experts of a token.</param>
    /// <param name="dtype">The dtype of the matrices.</param>
    /// <returns>The times of single runs in milliseconds, sorted.</returns>
    public static (double[] Ragged, double[] Dense, double[] Layer) Experts(Backend backend, int tokens, int columns, int inner,
        int experts, int perToken, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(backend);
        using var scope = new TensorScope();
        int pairs = tokens * perToken;
        var activations = dtype == DType.BF16 ? backend.ActivationDType : DType.F32;
        Tensor x = Normal(backend, [tokens, columns], activations, 0), scores = Normal(backend, [tokens, experts], DType.F32, 1);
        Tensor gateUp = Normal(backend, [experts, 2 * inner, columns], dtype, 2),
            down = Normal(backend, [experts, columns, inner], dtype, 3);
        Tensor weights = backend.NewTensor([tokens, perToken]), chosen = backend.NewTensor([tokens, perToken], DType.I32);
        Tensor order = backend.NewTensor([pairs], DType.I32), position = backend.NewTensor([pairs], DType.I32),
            sorted = backend.NewTensor([pairs], DType.I32), offsets = backend.NewTensor([experts + 1], DType.I32);
        Tensor rows = backend.NewTensor([pairs, columns], activations), hidden = backend.NewTensor([pairs, 2 * inner], activations),
            h = backend.NewTensor([pairs, inner], activations), y = backend.NewTensor([tokens, columns], activations);
        double[] layer = Milliseconds(backend, () =>
        {
            backend.TopK(scores, null, ExpertGroups.All, chosen);
            backend.TakeColumns(scores, chosen, weights);
            backend.Softmax(weights, weights);
            backend.SortByExpert(chosen, order, position, sorted, offsets);
            backend.DispatchRows(x, order, rows, false);
            backend.RaggedMatMul(rows, gateUp, true, offsets, hidden);
            backend.RoutedGlu<Glu<Silu>>(hidden, weights, order, h);
            backend.RaggedMatMul(h, down, true, offsets, rows);
            backend.CombineRows(rows, position, y, false);
        });
        backend.DispatchRows(x, order, rows, false);
        double[] ragged = Milliseconds(backend, () =>
        {
            backend.RaggedMatMul(rows, gateUp, true, offsets, hidden);
            backend.RaggedMatMul(h, down, true, offsets, rows);
        });
        Tensor gateUpOfOne = gateUp.View([2 * inner, columns]), downOfOne = down.View([columns, inner]);
        double[] dense = Milliseconds(backend, () =>
        {
            backend.MatMul(rows, false, gateUpOfOne, true, hidden);
            backend.MatMul(h, false, downOfOne, true, rows);
        });
        return (ragged, dense, layer);
    }

    private static double[] Milliseconds(Backend backend, Action run)
    {
        double once = WarmUp(backend, run);
        int runs = (int)Math.Clamp(LongEnough / once, 1, 100);
        double[] times = new double[Repeats];
        for (int i = 0; i < Repeats; i++)
        {
            times[i] = 1e3 * Seconds(backend, run, runs);
        }
        Array.Sort(times);
        return times;
    }

    /// <summary>Runs for a while, and returns the seconds of the last run.</summary>
    private static double WarmUp(Backend backend, Action run)
    {
        long start = Stopwatch.GetTimestamp();
        double once = 0;
        for (int i = 0; i < WarmUps || Stopwatch.GetElapsedTime(start).TotalSeconds < WarmUpSeconds; i++)
        {
            once = Seconds(backend, run, 1);
        }
        return once;
    }

    /// <summary>Seconds of one of several runs.</summary>
    private static double Seconds(Backend backend, Action run, int runs)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < runs; i++)
        {
            run();
        }
        backend.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / runs;
    }

    private static Tensor Normal(Backend backend, Shape shape, DType dtype, ulong stream)
    {
        var values = backend.NewTensor(shape);
        backend.FillNormal(values, 0, 1, 1, stream);
        if (dtype == DType.F32)
        {
            return values;
        }
        var rounded = backend.NewTensor(shape, dtype);
        backend.Cast(values, rounded);
        values.Dispose();
        return rounded;
    }
}

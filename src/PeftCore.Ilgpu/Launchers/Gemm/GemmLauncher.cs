using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

/// <summary>Matrix products: on tensor cores where operands are rounded to BF16 and the card has them, otherwise by the portable GEMM in
/// F32.</summary>
internal sealed class GemmLauncher : IDisposable
{
    private const int MostTerms = GemmPtx.OperandMaps / 2, MostResults = GemmPtx.ResultMaps;

    private readonly LaunchContext _gpu;
    private readonly RowLauncher _rows;
    private readonly PortableGemmLauncher _portable;
    private readonly WgmmaGemmLauncher? _wgmma;
    private readonly MmaGemmLauncher? _mma;
    private readonly StreamedGemmLauncher? _streamed;

    public GemmLauncher(LaunchContext gpu, RowLauncher rows, StreamedGemmLauncher? streamed)
    {
        (_gpu, _rows, _portable, _streamed) = (gpu, rows, new PortableGemmLauncher(gpu), streamed);
        _wgmma = gpu.Device.HasWgmma ? new WgmmaGemmLauncher(gpu) : null;
        Convolutions = _wgmma is null ? null : new WgmmaConvolutionLauncher(gpu, _wgmma);
        _mma = gpu.Device.HasMma ? new MmaGemmLauncher(gpu, rows) : null;
    }

    /// <summary>Convolutions as implicit products; null on cards before Hopper.</summary>
    public WgmmaConvolutionLauncher? Convolutions { get; }

    /// <summary>Bytes of stream-K partial sums that products on Hopper take beside the arena, once; 0 on other cards.</summary>
    public long PartialBytes => _wgmma?.PartialBytes ?? 0;

    /// <summary>How many of <see cref="PartialBytes"/> are taken so far: all of them from the first product on.</summary>
    public long TakenBytes => _wgmma?.TakenBytes ?? 0;

    /// <summary>Whether products of so many rows take a quantised B.</summary>
    public bool TakesQuantized(Tensor b, int rows, bool transposeB) => _streamed is not null && _streamed.Takes(b, rows, transposeB);

    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha, bool accumulate)
    {
        if (c.Count == 0)
        {
            return;
        }
        if (b.Format is not null)
        {
            Stream([new GemmOperands(a, transposeA, b, transposeB)], c, alpha, ref accumulate, null);
            return;
        }
        CountFlops(a, transposeA, c);
        if (TryProducts([new GemmOperands(a, transposeA, b, transposeB)], c, alpha, accumulate, null))
        {
            return;
        }
        using var sum = _gpu.StageOut(c, accumulate);
        _portable.MatMul(a, transposeA, b, transposeB, sum.Tensor, alpha, accumulate);
    }

    public void MatMulSum(ReadOnlySpan<GemmOperands> terms, Tensor c, Tensor? bias, bool accumulate)
    {
        if (HaveQuantized(terms))
        {
            var others = Stream(terms, c, 1, ref accumulate, bias);
            terms = CollectionsMarshal.AsSpan(others);
            bias = null;
        }
        CountFlops(terms, c);
        if (terms.Length == 0 || c.Count == 0 || TryProducts(terms, c, 1, accumulate, bias))
        {
            return;
        }
        OneByOne(terms, c, 1, accumulate, bias);
    }

    public void MatMulGroup(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        if (HaveQuantized(terms))
        {
            StreamGroup(terms, results, alpha, accumulate, biases);
            return;
        }
        int each = terms.Length / results.Length;
        for (int first = 0; first < results.Length;)
        {
            // As many at once as a launch takes.
            int count = Math.Min(results.Length - first, Math.Min(MostResults, Math.Max(1, MostTerms / each)));
            var some = terms.Slice(first * each, count * each);
            GroupOrOneByOne(some, results.Slice(first, count), alpha, accumulate, biases.Slice(first, count));
            first += count;
        }
    }

    /// <summary>c (+)= α·Σ op(Aᵢ)·op(Bᵢ) + bias on the tensor cores, F32 operands rounded to BF16 first; c is F32 or BF16. Summands of one
    /// layout are added up in registers. False, with nothing done, where the tensor cores cannot take it. Tests compare it with the CPU's
    /// products, one after the other.</summary>
    internal bool TryProducts(ReadOnlySpan<GemmOperands> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        if (!CanTakeProducts(terms, [c]) || bias?.DType == DType.F16)
        {
            return false;
        }
        if (_wgmma is null)
        {
            _mma!.Multiply(terms, c, alpha, accumulate, bias);
            return true;
        }
        while (terms.Length > 0)
        {
            int alike = 1;
            while (alike < Math.Min(terms.Length, MostTerms) && terms[alike].SameLayout(terms[0]))
            {
                alike++;
            }
            _wgmma.Multiply(terms[..alike], [c], alpha, accumulate, [bias]);
            terms = terms[alike..];
            (accumulate, bias) = (true, null);
        }
        return true;
    }

    /// <summary>Several results of one height in one launch. <paramref name="terms"/> holds each result's summands in turn: equally many,
    /// equally deep, and of one layout. At most four results, and eight summands in all; false, with nothing done, for others.</summary>
    internal bool TryGrouped(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        if (_wgmma is null || results.Length > MostResults || terms.Length > MostTerms || !CanTakeProducts(terms, results))
        {
            return false;
        }
        for (int i = 0; i < terms.Length; i++)
        {
            if (!terms[i].SameLayout(terms[0]) || terms[i].Depth != terms[i % each].Depth)
            {
                return false;
            }
        }
        foreach (var c in results)
        {
            if (c.DType != results[0].DType || c.Shape.Rows != results[0].Shape.Rows)
            {
                return false;
            }
        }
        _wgmma.Multiply(terms, results, alpha, accumulate, biases);
        return true;
    }

    public void Dispose() => _wgmma?.Dispose();

    // A sum that the tensor cores cannot take: a launch a summand, rounded once at the end.
    private void OneByOne(ReadOnlySpan<GemmOperands> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        using var sum = _gpu.StageOut(c, accumulate);
        foreach (var (a, transposeA, b, transposeB) in terms)
        {
            MatMul(a, transposeA, b, transposeB, sum.Tensor, alpha, accumulate);
            accumulate = true;
        }
        if (bias is not null)
        {
            _rows.AddRow(sum.Tensor, bias);
        }
    }

    private static bool HaveQuantized(ReadOnlySpan<GemmOperands> terms)
    {
        foreach (var term in terms)
        {
            if (term.B.Format is not null)
            {
                return true;
            }
        }
        return false;
    }

    // Computes the products with quantised weights, the first with the bias, and returns the others.
    private List<GemmOperands> Stream(ReadOnlySpan<GemmOperands> terms, Tensor c, float alpha, ref bool accumulate, Tensor? bias)
    {
        var others = new List<GemmOperands>(terms.Length);
        foreach (var term in terms)
        {
            if (term.B.Format is null)
            {
                others.Add(term);
                continue;
            }
            var streamed = _streamed ?? throw new NotSupportedException($"{term.B} must be dequantised for a product on this device");
            streamed.Multiply(term, c, alpha, accumulate, bias);
            (accumulate, bias) = (true, null);
        }
        return others;
    }

    // Those of quantised weights first, then the others of all results at once if these are equally many.
    private void StreamGroup(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        var others = new List<GemmOperands>[results.Length];
        for (int i = 0; i < results.Length; i++)
        {
            var own = terms.Slice(i * each, each);
            bool add = accumulate;
            others[i] = HaveQuantized(own) ? Stream(own, results[i], alpha, ref add, biases[i]) : [.. own];
        }
        if (Array.TrueForAll(others, left => left.Count == others[0].Count) && others[0].Count < each)
        {
            if (others[0].Count > 0)
            {
                MatMulGroup([.. others.SelectMany(left => left)], results, alpha, true, new Tensor?[results.Length]);
            }
            return;
        }
        for (int i = 0; i < results.Length; i++)
        {
            bool streamed = others[i].Count < each;
            if (others[i].Count > 0)
            {
                GroupOrOneByOne(CollectionsMarshal.AsSpan(others[i]), results.Slice(i, 1), alpha, accumulate || streamed,
                    streamed ? new Tensor?[1] : biases.Slice(i, 1));
            }
        }
    }

    private void GroupOrOneByOne(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        CountFlops(terms, results);
        if (results.Length > 1 && TryGrouped(terms, results, alpha, accumulate, biases))
        {
            return;
        }
        for (int i = 0; i < results.Length; i++)
        {
            var own = terms.Slice(i * each, each);
            if (!TryProducts(own, results[i], alpha, accumulate, biases[i]))
            {
                OneByOne(own, results[i], alpha, accumulate, biases[i]);
            }
        }
    }

    private bool CanTakeProducts(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results)
    {
        bool can = _gpu.ComputeDType == DType.BF16 && (_wgmma is not null || _mma is not null) && terms.Length > 0;
        foreach (var term in terms)
        {
            can = can && term.A.DType is DType.F32 or DType.BF16 && term.B.DType is DType.F32 or DType.BF16 && term.Depth > 0;
        }
        foreach (var c in results)
        {
            can = can && c.DType is DType.F32 or DType.BF16 && c.Count > 0;
        }
        return can;
    }

    private void CountFlops(Tensor a, bool transposeA, Tensor c) =>
        _gpu.Device.Work = new Work(2.0 * c.Count * (transposeA ? a.Shape.Rows : a.Shape.Columns), 0);

    private void CountFlops(ReadOnlySpan<GemmOperands> terms, params ReadOnlySpan<Tensor> results)
    {
        double flops = 0;
        for (int i = 0; i < terms.Length; i++)
        {
            flops += 2.0 * results[i * results.Length / terms.Length].Count * terms[i].Depth;
        }
        _gpu.Device.Work = new Work(flops, 0);
    }
}

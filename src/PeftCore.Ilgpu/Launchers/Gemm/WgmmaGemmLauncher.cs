using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private const int MostTerms = GemmPtx.OperandMaps / 2, MostResults = GemmPtx.ResultMaps;

    private long _countedPartials;

    private bool TryTensorCores(in Product p) =>
        TryProducts([new GemmOperands(p.A, p.TransposeA, p.B, p.TransposeB)], p.C, p.Alpha, p.Accumulate, null);

    /// <summary>c (+)= α·Σ op(Aᵢ)·op(Bᵢ) + bias on the tensor cores, operands in F32 rounded to BF16 first; c is F32 or BF16. MatMulTerms
    /// that lie alike are added up in registers. False, with nothing done, where that is not asked for or cannot be.</summary>
    internal bool TryProducts(ReadOnlySpan<GemmOperands> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        if (!TakesProducts(terms, [c]) || bias?.DType == DType.F16)
        {
            return false;
        }
        if (_device.WgmmaGemms is null)
        {
            MultiplyByMma(terms, c, alpha, accumulate, bias);
            return true;
        }
        while (terms.Length > 0)
        {
            int alike = 1;
            while (alike < Math.Min(terms.Length, MostTerms) && terms[alike].SameLayout(terms[0]))
            {
                alike++;
            }
            Multiply(terms[..alike], [c], alpha, accumulate, [bias]);
            terms = terms[alike..];
            (accumulate, bias) = (true, null);
        }
        return true;
    }

    /// <summary>Several results of one height in one launch: <paramref name="terms"/> holds each result's summands in turn, equally many
    /// for each, as deep as those of the others and lying alike. At most four results, and eight summands in all.</summary>
    internal bool TryGrouped(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        if (_device.WgmmaGemms is null || results.Length > MostResults || terms.Length > MostTerms || !TakesProducts(terms, results))
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
        Multiply(terms, results, alpha, accumulate, biases);
        return true;
    }

    private bool TakesProducts(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results)
    {
        bool takes = _options.ComputeDType == DType.BF16 && (_device.WgmmaGemms is not null || _device.MmaGemms is not null)
            && terms.Length > 0;
        foreach (var term in terms)
        {
            takes = takes && term.A.DType is DType.F32 or DType.BF16 && term.B.DType is DType.F32 or DType.BF16 && term.Depth > 0;
        }
        foreach (var c in results)
        {
            takes = takes && c.DType is DType.F32 or DType.BF16 && c.Count > 0;
        }
        return takes;
    }

    /// <summary>Whether an operand needs no copy into rows that start where 16 bytes of BF16 may be read at once.</summary>
    private static bool TakesOperand(Tensor tensor) => tensor.DType is DType.F32 or DType.BF16 && LiesOnChunks(tensor);

    private static bool LiesOnChunks(Tensor tensor) => tensor.Shape.Columns % GemmSchedule.Chunk == 0 && Address(tensor) % 16 == 0;

    private unsafe void Multiply(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        bool maySwapAB = true;
        var args = new WgmmaArgs
        {
            M = results[0].Shape.Rows, Terms = terms.Length / results.Length, Alpha = alpha,
            Accumulate = Flag(accumulate)
        };
        Span<int> widths = stackalloc int[results.Length], ends = stackalloc int[args.Terms];
        nint alignment = 16;
        for (int r = 0; r < results.Length; r++)
        {
            widths[r] = results[r].Shape.Columns;
            alignment |= Address(results[r]);
            maySwapAB &= r >= biases.Length || biases[r] is null;
        }
        for (int t = 0; t < args.Terms; t++)
        {
            args.Steps += SplitKSchedule.Count(terms[t].Depth, GemmShape.Depth);
            ends[t] = args.Steps;
        }
        var schedule = GemmSchedule.For(new GemmProblem
        {
            M = args.M,
            Widths = widths,
            Steps = args.Steps,
            TransposeA = terms[0].TransposeA,
            RowMajorB = !terms[0].TransposeB,
            Bf16Result = results[0].DType == DType.BF16,
            Alignment = (int)(alignment & -alignment),
            MaySwapAB = maySwapAB,
        }, _device.Accelerator.NumMultiprocessors);
        WgmmaLaunch.Lay(ref args, schedule, widths, ends);
        byte* buffer = stackalloc byte[((GemmPtx.OperandMaps + GemmPtx.ResultMaps) * TensorMap.Bytes) + 64];
        byte* maps = (byte*)(((nint)buffer + 63) & ~(nint)63);
        for (int i = 0; i < terms.Length; i++)
        {
            WgmmaLaunch.MapOperands(maps + (2 * i * TensorMap.Bytes), schedule, InBf16(terms[i].A), terms[i].A.Shape, InBf16(terms[i].B),
                terms[i].B.Shape);
        }
        for (int r = 0; r < results.Length; r++)
        {
            var bias = r < biases.Length ? biases[r] : null;
            WgmmaLaunch.Result(ref args, r, Address(results[r]), bias is null ? 0 : Address(bias));
            args.Bf16Bias = bias is null ? args.Bf16Bias : Flag(bias.DType == DType.BF16);
            if (schedule.Shape.Store == ResultStore.Copied)
            {
                TensorMap.Write(maps + ((GemmPtx.OperandMaps + r) * TensorMap.Bytes), Address(results[r]), args.M, widths[r], (64, 64));
            }
        }
        _device.RunWgmmaGemm(schedule, args, maps);
        CountPartials();
        foreach (var c in results)
        {
            Queued(c);
        }
    }

    // What products keep beside the arena is memory of this device too.
    private void CountPartials()
    {
        long bytes = _device.WgmmaGemms!.TakenBytes;
        if (bytes != _countedPartials)
        {
            Memory.Add(bytes - _countedPartials, MemoryKind.Workspace);
            _countedPartials = bytes;
        }
    }

    private nint InBf16(Tensor tensor) =>
        !LiesOnChunks(tensor) ? _bf16Weights.Padded(tensor) : tensor.DType == DType.F32 ? _bf16Weights.Of(tensor) : Address(tensor);

    /// <summary>Copies rows into rows of whole chunks; what is beyond the columns becomes 0.</summary>
    internal void PadRows(Tensor from, Tensor to)
    {
        var product = _device.Work; // What the launch after this one does.
        Moves(from, to);
        if (from.DType == DType.BF16)
        {
            PadRows<BFloat16>(from, to);
        }
        else
        {
            PadRows<Float32>(from, to);
        }
        _device.Work = product;
    }

    private void PadRows<TElement>(Tensor from, Tensor to) where TElement : unmanaged, IElement<TElement>
    {
        int vectors = to.Shape.Columns / 8, strips = SplitKSchedule.Count(vectors, _device.BlockSize);
        _device.Run<PadRows<TElement>, PadRowsArgs<TElement>>(from.Shape.Rows * strips, 1,
            new PadRowsArgs<TElement>
            {
                From = View<TElement>(from), To = Bf16x8View(to), Columns = from.Shape.Columns, Vectors = vectors,
                Strips = strips
            });
    }
}

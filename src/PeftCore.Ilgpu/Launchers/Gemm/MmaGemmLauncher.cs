using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Ampere;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <summary>c (+)= α·Σ op(Aᵢ)·op(Bᵢ) + bias by mma.sync, a launch a summand; BF16 results of several launches are summed in F32
    /// first.</summary>
    private void MultiplyByMma(ReadOnlySpan<GemmOperands> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns;
        bool apart = terms.Length > 1 || SplitsOf(m, n, terms[0].Depth) > 1;
        if (c.DType == DType.BF16 && apart)
        {
            using var wide = this.NewTensor(c.Shape);
            if (accumulate)
            {
                Cast(c, wide);
            }
            MultiplyByMma(terms, wide, alpha, accumulate, bias);
            Cast(wide, c);
            return;
        }
        foreach (var term in terms)
        {
            MultiplyByMma(term, c, alpha, accumulate);
            accumulate = true;
        }
        if (bias is not null)
        {
            AddRow(c, bias);
        }
    }

    private void MultiplyByMma(in GemmOperands term, Tensor c, float alpha, bool accumulate)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns, k = term.Depth, bytes = c.DType == DType.BF16 ? 2 : 4;
        var schedule = ScheduleOf(m, n, k);
        bool pairs = n % 2 == 0 && Address(c) % (2 * bytes) == 0;
        var shape = new MmaShape(term.TransposeA, !term.TransposeB, c.DType == DType.BF16, pairs ? ResultStore.Pairs : ResultStore.Singles);
        var args = new MmaArgs
        {
            A = InBf16(term.A),
            B = InBf16(term.B),
            C = Address(c),
            StrideA = 2L * GemmSchedule.Pitch(term.A.Shape.Columns),
            StrideB = 2L * GemmSchedule.Pitch(term.B.Shape.Columns),
            StrideC = (long)bytes * n,
            M = m,
            N = n,
            K = k,
            TilesM = schedule.TilesM,
            TilesN = schedule.TilesN,
            KPerSplit = schedule.KPerSplit,
            ElementBytes = bytes,
            Alpha = alpha,
            Accumulate = Flag(accumulate),
        };
        if (schedule.Splits == 1)
        {
            _device.RunMma(shape, schedule, args);
        }
        else
        {
            using var partials = new Scratch(this, (long)schedule.Splits * m * n);
            (args.C, args.Accumulate) = (partials.Address, 0);
            _device.RunMma(shape, schedule, args);
            _device.ForEach<SumPartials, SumPartialsArgs>((long)m * n,
                new SumPartialsArgs { Partials = partials.View, C = F32(c), Count = schedule.Splits, Accumulate = Flag(accumulate) });
        }
        Queued(c);
    }

    private SplitKSchedule ScheduleOf(int m, int n, int k) =>
        SplitKSchedule.For(m, n, k, MmaShape.Tile, MmaShape.Depth, _device.Accelerator.NumMultiprocessors);

    private int SplitsOf(int m, int n, int k) => ScheduleOf(m, n, k).Splits;
}

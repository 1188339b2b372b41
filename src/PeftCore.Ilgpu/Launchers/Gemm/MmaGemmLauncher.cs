using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Ampere;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Products on the tensor cores of compute capability 8.0 and later (<see cref="MmaGemm{TLayout}"/>), a launch a summand. Tests
/// hold the results to the CPU's products, one after the other.</summary>
internal sealed class MmaGemmLauncher(LaunchContext gpu, RowLauncher rows)
{
    private readonly MmaGemmKernels _kernels = new(gpu.Device.Ptx!);

    /// <summary>c (+)= α·Σ op(Aᵢ)·op(Bᵢ) + bias; BF16 results of several launches are summed in F32 first.</summary>
    public void Multiply(ReadOnlySpan<GemmOperands> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns;
        bool several = terms.Length > 1 || ScheduleOf(m, n, terms[0].Depth).Splits > 1;
        if (c.DType == DType.BF16 && several)
        {
            using var sum = gpu.Backend.NewTensor(c.Shape);
            if (accumulate)
            {
                gpu.Casts.Cast(c, sum);
            }
            Multiply(terms, sum, alpha, accumulate, bias);
            gpu.Casts.Cast(sum, c);
            return;
        }
        foreach (var term in terms)
        {
            Multiply(term, c, alpha, accumulate);
            accumulate = true;
        }
        if (bias is not null)
        {
            rows.AddRow(c, bias);
        }
    }

    private void Multiply(in GemmOperands term, Tensor c, float alpha, bool accumulate)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns, k = term.Depth, bytes = c.DType == DType.BF16 ? 2 : 4;
        var schedule = ScheduleOf(m, n, k);
        bool pairs = n % 2 == 0 && Address(c) % (2 * bytes) == 0;
        var shape = new MmaShape(term.TransposeA, !term.TransposeB, c.DType == DType.BF16, pairs ? ResultStore.Pairs : ResultStore.Singles);
        var args = new MmaArgs
        {
            A = gpu.Bf16Weights.Operand(term.A),
            B = gpu.Bf16Weights.Operand(term.B),
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
            Launch(shape, schedule, args);
        }
        else
        {
            using var partials = new Scratch(gpu, (long)schedule.Splits * m * n);
            (args.C, args.Accumulate) = (partials.Address, 0);
            Launch(shape, schedule, args);
            gpu.ForEach<SumPartials, SumPartialsArgs>((long)m * n,
                new SumPartialsArgs { Partials = partials.View, C = gpu.F32(c), Count = schedule.Splits, Accumulate = Flag(accumulate) });
        }
        gpu.Queued(c);
    }

    private void Launch(in MmaShape shape, in SplitKSchedule schedule, in MmaArgs args)
    {
        var device = gpu.Device;
        _kernels.Load(shape); // Before the timer starts.
        device.Timer?.Start();
        _kernels.Run(shape, schedule, args);
        device.StopTiming(typeof(MmaGemm<MmaColumnMajorB>));
    }

    private SplitKSchedule ScheduleOf(int m, int n, int k) =>
        SplitKSchedule.For(m, n, k, MmaShape.Tile, MmaShape.Depth, gpu.Device.Processors);
}

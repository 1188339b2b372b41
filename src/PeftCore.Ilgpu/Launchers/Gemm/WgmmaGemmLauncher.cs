using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Products on Hopper's tensor cores (<see cref="WgmmaGemm{TMode}"/>): schedule, tensor maps, arguments, launch. Tests hold the
/// results to the CPU's products, one after the other.</summary>
internal sealed class WgmmaGemmLauncher(LaunchContext gpu) : IDisposable
{
    private readonly WgmmaGemmKernels _kernels = new(gpu.Device.Ptx!, gpu.Device.Memory, gpu.Device.Processors);
    private long _countedPartials;

    /// <inheritdoc cref="WgmmaGemmKernels.PartialBytes"/>
    public long PartialBytes => _kernels.PartialBytes;

    /// <inheritdoc cref="WgmmaGemmKernels.TakenBytes"/>
    public long TakenBytes => _kernels.TakenBytes;

    /// <summary>Each result (+)= α·Σ op(Aᵢ)·op(Bᵢ) + bias in one launch: equally many summands for each result, all of one
    /// layout.</summary>
    public unsafe void Multiply(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        bool maySwapAB = true;
        var args = new WgmmaArgs
        {
            M = results[0].Shape.Rows,
            Terms = terms.Length / results.Length,
            Alpha = alpha,
            Accumulate = Flag(accumulate),
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
        }, gpu.Device.Processors);
        WgmmaArguments.SetExtents(ref args, schedule, widths, ends);
        byte* buffer = stackalloc byte[((GemmPtx.OperandMaps + GemmPtx.ResultMaps) * TensorMap.Bytes) + 64];
        byte* maps = (byte*)(((nint)buffer + 63) & ~(nint)63);
        for (int i = 0; i < terms.Length; i++)
        {
            WgmmaArguments.MapOperands(maps + (2 * i * TensorMap.Bytes), schedule, gpu.Bf16Weights.Operand(terms[i].A), terms[i].A.Shape,
                gpu.Bf16Weights.Operand(terms[i].B), terms[i].B.Shape);
        }
        for (int r = 0; r < results.Length; r++)
        {
            var bias = r < biases.Length ? biases[r] : null;
            WgmmaArguments.SetResult(ref args, r, Address(results[r]), bias is null ? 0 : Address(bias));
            args.Bf16Bias = bias is null ? args.Bf16Bias : Flag(bias.DType == DType.BF16);
            if (schedule.Shape.Store == ResultStore.Copied)
            {
                TensorMap.Write(maps + ((GemmPtx.OperandMaps + r) * TensorMap.Bytes), Address(results[r]), args.M, widths[r], (64, 64));
            }
        }
        Launch(schedule, args, maps);
        foreach (var c in results)
        {
            gpu.Queued(c);
        }
    }

    public void Dispose()
    {
        gpu.Backend.Memory.Add(-_countedPartials, MemoryKind.Workspace);
        _kernels.Dispose();
    }

    /// <summary>Queues a product whose schedule, arguments and tensor maps are set.</summary>
    internal unsafe void Launch(in GemmSchedule schedule, in WgmmaArgs args, byte* maps)
    {
        var device = gpu.Device;
        nint function = _kernels.Load(schedule.Shape); // Before the timer starts.
        device.Timer?.Start();
        _kernels.Run(function, schedule, args, maps);
        if (device.Timer is not null)
        {
            device.StopTiming($"product of {schedule.TilesM}×{schedule.TilesN} tiles of {schedule.Shape.TileN}, {args.Steps} deep");
        }
        CountPartials();
    }

    // The partial sums are memory of this device too, though not of the arena.
    private void CountPartials()
    {
        long bytes = _kernels.TakenBytes;
        if (bytes != _countedPartials)
        {
            gpu.Backend.Memory.Add(bytes - _countedPartials, MemoryKind.Workspace);
            _countedPartials = bytes;
        }
    }
}

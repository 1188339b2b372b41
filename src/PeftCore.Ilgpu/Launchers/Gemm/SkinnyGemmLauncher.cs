using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Products of tall matrices with skinny ones on Hopper (<see cref="SkinnyGemmKernel"/>): both gradients of a rank-r update from
/// one reading of dY. Tests hold the results to the same products one after the other.</summary>
internal sealed class SkinnyGemmLauncher(LaunchContext gpu)
{
    private const int MaxOperands = 4;

    private readonly SkinnyGemmKernels? _kernels = gpu.Device.HasWgmma ? new SkinnyGemmKernels(gpu.Device.Ptx!) : null;

    /// <summary>Computes the products, or returns false, with nothing done, where this card or these operands have no such
    /// kernel.</summary>
    public bool TrySkinnyGemm(ReadOnlySpan<SkinnyGemm> products)
    {
        if (_kernels is null || products.Length == 0 || !CanTake(products))
        {
            return false;
        }
        bool both = products[0].Right is not null;
        int tiles = TilesOf(products[0]), most = both ? MaxOperands : Math.Min(MaxOperands, SkinnyGemmShape.MostTiles / tiles);
        for (int first = 0; first < products.Length; first += most)
        {
            Launch(_kernels, products.Slice(first, Math.Min(most, products.Length - first)), both);
        }
        return true;
    }

    private static int RankOf(in SkinnyGemm product) => product.Left.Shape.Columns;

    private static int TilesOf(in SkinnyGemm product) => SplitKSchedule.Count(RankOf(product), SkinnyGemmShape.TileR);

    // Matrices of one height, each with skinny ones on both sides; or one matrix, with skinny ones from the left.
    private bool CanTake(ReadOnlySpan<SkinnyGemm> products)
    {
        var first = products[0];
        int rank = RankOf(first);
        bool can = gpu.ComputeDType == DType.BF16 && TilesOf(first) <= SkinnyGemmShape.MostTiles;
        for (int i = 0; i < products.Length; i++)
        {
            var p = products[i];
            foreach (var other in products[..i])
            {
                // One launch must not hold two sums into the same result.
                can = can && !(ReferenceEquals(p.LeftProduct.Storage, other.LeftProduct.Storage)
                    && p.LeftProduct.ByteOffset == other.LeftProduct.ByteOffset);
            }
            can = can && p.X.DType == DType.BF16 && p.X.Count > 0 && IsOperand(p.X) && p.X.Shape.Rows == first.X.Shape.Rows;
            can = can && p.Left.DType == DType.BF16 && IsOperand(p.Left) && RankOf(p) == rank && p.LeftProduct.DType == DType.F32;
            can = can && (first.Right is null
                ? p.Right is null && ReferenceEquals(p.X.Storage, first.X.Storage) && p.X.ByteOffset == first.X.ByteOffset
                && p.X.Count == first.X.Count
                : p.Right is { } right && IsOperand(right) && right.Shape.Columns == rank
                && p.RightProduct is { DType: DType.BF16 } product && Address(product) % 8 == 0);
        }
        return can;
    }

    // An operand that needs no padded copy.
    private static bool IsOperand(Tensor tensor) => tensor.DType is DType.F32 or DType.BF16 && Bf16WeightCache.HasAlignedRows(tensor);

    private void Launch(SkinnyGemmKernels kernels, ReadOnlySpan<SkinnyGemm> products, bool both)
    {
        int m = products[0].X.Shape.Rows, rank = RankOf(products[0]), perLeft = TilesOf(products[0]), matrices = both ? products.Length : 1;
        Span<int> widths = stackalloc int[MaxOperands], starts = stackalloc int[MaxOperands + 1];
        for (int i = 0; i < matrices; i++)
        {
            widths[i] = products[i].X.Shape.Columns;
        }
        var schedule = SkinnyGemmSchedule.For(m, widths[..matrices], both ? perLeft : perLeft * products.Length, both, true,
            gpu.Device.Processors);
        for (int i = 0; i < MaxOperands; i++)
        {
            starts[i + 1] = i < matrices ? starts[i] + schedule.StripsOf(widths[i]) : schedule.Strips;
        }
        long rightFloats = schedule.RightFloats(m);
        using var partials = new Scratch(gpu, rightFloats + schedule.LeftFloats);
        var args = new SkinnyGemmArgs
        {
            RightPartials = partials.Address,
            LeftPartials = partials.Address + (nint)(rightFloats * sizeof(float)),
            M = m,
            Strips = schedule.Strips,
            Run = schedule.Run,
            Rank = rank,
            PerLeft = perLeft,
            Tiles = schedule.Shape.Tiles,
            WarpColumns = schedule.Shape.WarpColumns,
            WarpRows = schedule.Shape.WarpRows,
            StageBytes = schedule.Shape.StageBytes,
            Stages = schedule.Shape.Stages,
            ReductionBytes = schedule.Shape.ReductionBytes,
            HasRight = Flag(both),
            HasLeft = 1,
        };
        SkinnyGemmArguments.SetWidths(ref args, widths, starts);
        double flops = 0;
        for (int i = 0; i < products.Length; i++)
        {
            var p = products[i];
            SkinnyGemmArguments.SetOperands(ref args, i, Address(p.X), both ? gpu.Bf16Weights.Operand(p.Right!) : 0, Address(p.Left));
            flops += (both ? 4.0 : 2.0) * p.X.Count * rank;
        }
        gpu.Device.Work = new Work(flops, 0);
        Launch(kernels, schedule, args);
        Reduce(products, both, schedule, args);
        foreach (var p in products)
        {
            gpu.Queued(p.LeftProduct);
        }
    }

    private void Launch(SkinnyGemmKernels kernels, in SkinnyGemmSchedule schedule, in SkinnyGemmArgs args)
    {
        var device = gpu.Device;
        kernels.Load(schedule.Shape); // Before the timer starts.
        device.Timer?.Start();
        kernels.Run(schedule, args);
        if (device.Timer is not null)
        {
            device.StopTiming($"skinny products of {schedule.Strips} strips of {schedule.Shape.WarpColumns * SkinnyGemmShape.Columns}, " +
                $"{schedule.Runs} runs, {schedule.Shape.Tiles} tiles{(schedule.Shape.Right ? ", both sides" : "")}");
        }
    }

    private void Reduce(ReadOnlySpan<SkinnyGemm> products, bool both, in SkinnyGemmSchedule schedule, in SkinnyGemmArgs args)
    {
        var space = gpu.Device.Space;
        var reduction = new SkinnyGemmReductionArgs
        {
            RightPartials = space.View<Float4>((nint)args.RightPartials, schedule.RightFloats(args.M) / 4),
            LeftPartials = space.View<Float4>((nint)args.LeftPartials, schedule.LeftFloats / 4),
            M = args.M,
            Rank = args.Rank,
            PerLeft = args.PerLeft,
            Tiles = args.Tiles,
            Warps = args.WarpColumns,
            Runs = schedule.Runs,
            RightCount = both ? products.Length * args.M * (args.Rank / 4) : 0,
            LeftCount = schedule.LeftCount,
            Transposed = Flag(!both),
        };
        SkinnyGemmArguments.SetWidths(ref reduction, args);
        for (int i = 0; i < MaxOperands; i++)
        {
            bool there = i < products.Length;
            var p = there ? products[i] : default;
            SkinnyGemmArguments.SetResults(ref reduction, i, there && both ? FourBf16(p.RightProduct!) : gpu.None<ulong>(),
                there ? gpu.F32(p.LeftProduct) : gpu.None<float>(), p.Alpha);
            reduction.Accumulate |= there && p.Accumulate ? 1 << i : 0;
        }
        gpu.ForEach<SkinnyGemmReduction, SkinnyGemmReductionArgs>(reduction.RightCount + reduction.LeftCount, reduction);
    }

    // Four BF16 elements to a 64-bit word.
    private ArrayView<ulong> FourBf16(Tensor tensor) => gpu.Device.Space.View<ulong>(Address(tensor), tensor.Count / 4);
}

using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private const int MaxSkinnyOperands = 4;

    /// <inheritdoc/>
    public bool TrySkinnyGemm(ReadOnlySpan<SkinnyGemm> products)
    {
        if (_device.SkinnyGemms is null || products.Length == 0 || !TakesSkinnyGemm(products))
        {
            return false;
        }
        bool both = products[0].Right is not null;
        int tiles = TilesOf(products[0]), most = both ? MaxSkinnyOperands : Math.Min(MaxSkinnyOperands, SkinnyGemmShape.MostTiles / tiles);
        for (int first = 0; first < products.Length; first += most)
        {
            RunSkinnyGemm(products.Slice(first, Math.Min(most, products.Length - first)), both);
        }
        return true;
    }

    private static int RankOf(in SkinnyGemm product) => product.Left.Shape.Columns;

    private static int TilesOf(in SkinnyGemm product) => SplitKSchedule.Count(RankOf(product), SkinnyGemmShape.TileR);

    /// <summary>Matrices of one height, each with skinny ones on both sides; or one, with skinny ones from the left.</summary>
    private bool TakesSkinnyGemm(ReadOnlySpan<SkinnyGemm> products)
    {
        var first = products[0];
        int rank = RankOf(first);
        bool takes = _options.ComputeDType == DType.BF16 && TilesOf(first) <= SkinnyGemmShape.MostTiles;
        for (int i = 0; i < products.Length; i++)
        {
            var p = products[i];
            foreach (var other in products[..i])
            {
                // Two sums into one place must not be in one launch.
                takes = takes && !(ReferenceEquals(p.LeftProduct.Storage, other.LeftProduct.Storage)
                    && p.LeftProduct.ByteOffset == other.LeftProduct.ByteOffset);
            }
            takes = takes && p.X.DType == DType.BF16 && p.X.Count > 0 && TakesOperand(p.X) && p.X.Shape.Rows == first.X.Shape.Rows;
            takes = takes && p.Left.DType == DType.BF16 && TakesOperand(p.Left) && RankOf(p) == rank && p.LeftProduct.DType == DType.F32;
            takes = takes && (first.Right is null
                ? p.Right is null && ReferenceEquals(p.X.Storage, first.X.Storage) && p.X.ByteOffset == first.X.ByteOffset
                && p.X.Count == first.X.Count
                : p.Right is { } right && TakesOperand(right) && right.Shape.Columns == rank && p.RightProduct is { DType: DType.BF16 } low
                && Address(low) % 8 == 0);
        }
        return takes;
    }

    private void RunSkinnyGemm(ReadOnlySpan<SkinnyGemm> products, bool both)
    {
        int m = products[0].X.Shape.Rows, rank = RankOf(products[0]), perLeft = TilesOf(products[0]), matrices = both ? products.Length : 1;
        Span<int> widths = stackalloc int[MaxSkinnyOperands], starts = stackalloc int[MaxSkinnyOperands + 1];
        for (int i = 0; i < matrices; i++)
        {
            widths[i] = products[i].X.Shape.Columns;
        }
        var schedule = SkinnyGemmSchedule.For(m, widths[..matrices], both ? perLeft : perLeft * products.Length, both, true,
            _device.Accelerator.NumMultiprocessors);
        for (int i = 0; i < MaxSkinnyOperands; i++)
        {
            starts[i + 1] = i < matrices ? starts[i] + schedule.StripsOf(widths[i]) : schedule.Strips;
        }
        long lows = schedule.LowFloats(m);
        using var parts = new Scratch(this, lows + schedule.AcrossFloats);
        var args = new SkinnyGemmArgs
        {
            Lows = parts.Address,
            Sums = parts.Address + (nint)(lows * sizeof(float)),
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
        SkinnyGemmLaunch.Widths(ref args, widths, starts);
        double flops = 0;
        for (int i = 0; i < products.Length; i++)
        {
            var p = products[i];
            SkinnyGemmLaunch.Matrices(ref args, i, Address(p.X), both ? InBf16(p.Right!) : 0, Address(p.Left));
            flops += (both ? 4.0 : 2.0) * p.X.Count * rank;
        }
        _device.Work = new Work(flops, 0);
        _device.RunSkinnyGemm(schedule, args);
        ReduceSkinnyGemm(products, both, schedule, args);
        foreach (var p in products)
        {
            Queued(p.LeftProduct);
        }
    }

    private void ReduceSkinnyGemm(ReadOnlySpan<SkinnyGemm> products, bool both, in SkinnyGemmSchedule schedule, in SkinnyGemmArgs args)
    {
        var sums = new SkinnyGemmReductionArgs
        {
            Lows = _device.Space.View<Float4>((nint)args.Lows, schedule.LowFloats(args.M) / 4),
            Sums = _device.Space.View<Float4>((nint)args.Sums, schedule.AcrossFloats / 4),
            M = args.M,
            Rank = args.Rank,
            PerLeft = args.PerLeft,
            Tiles = args.Tiles,
            Warps = args.WarpColumns,
            Runs = schedule.Runs,
            LowCount = both ? products.Length * args.M * (args.Rank / 4) : 0,
            AcrossCount = schedule.AcrossCount,
            Transposed = Flag(!both),
        };
        SkinnyGemmLaunch.Widths(ref sums, args);
        for (int i = 0; i < MaxSkinnyOperands; i++)
        {
            var p = i < products.Length ? products[i] : default;
            bool there = i < products.Length;
            SkinnyGemmLaunch.Results(ref sums, i, there && both ? View4(p.RightProduct!) : None<ulong>(),
                there ? F32(p.LeftProduct) : None<float>(), p.Alpha);
            sums.Accumulate |= there && p.Accumulate ? 1 << i : 0;
        }
        _device.ForEach<SkinnyGemmReduction, SkinnyGemmReductionArgs>(sums.LowCount + sums.AcrossCount, sums);
    }

    private ArrayView<ulong> View4(Tensor tensor) => _device.Space.View<ulong>(Address(tensor), tensor.Count / 4);
}

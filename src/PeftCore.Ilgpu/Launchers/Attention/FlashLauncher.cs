using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private const float Log2E = 1.44269504f;

    private int Processors => _device.Accelerator.NumMultiprocessors;

    /// <summary>Whether Hopper's attention kernels can take a call: BF16 heads of up to 256, ranges or causal, no other mask, rows on 16
    /// bytes.</summary>
    private bool TakesFlash(in AttentionCall call, params ReadOnlySpan<Heads> heads)
    {
        if (_device.TensorCores is null || call.Shape.HeadDim % 8 != 0 || FlashGeometry.DimFor(call.Shape.HeadDim) == 0
            || call.Slopes is not null || call.Bias is not null ||
            call.Shape.SoftCap != 0 || call.Shape.Scale <= 0 || (long)call.Shape.Batch * call.Shape.QueryLength * call.Shape.KeyLength == 0)
        {
            return false;
        }
        foreach (var part in heads)
        {
            var layout = part.Layout;
            if (part.Tensor.DType != DType.BF16 || Address(part.Tensor) % 16 != 0
                || (layout.RowStride | layout.Offset | layout.HeadStride) % 8 != 0)
            {
                return false;
            }
        }
        return true;
    }

    private void Flash(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        var tiles = FlashGeometry.Forward(FlashGeometry.DimFor(call.Shape.HeadDim));
        var args = FlashArgs(call, FlashSchedule.ForQueries(call.Shape, tiles, Processors));
        args.Lse = Address(lse);
        (args.Kept0, args.Result0) = (Map(call, q, true, tiles.Rows), Map(call, o, true, FlashGeometry.WarpgroupRows));
        (args.Passing0, args.Passing1) = (Map(call, k, false, tiles.Columns), Map(call, v, false, tiles.Columns));
        Scores(call, products: 2);
        RunForward(tiles, args);
    }

    private void FlashGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv)
    {
        var shape = call.Shape;
        Delta(shape, o, dO, delta);
        if (dq is { } queries)
        {
            var tiles = FlashGeometry.QueryGradient(FlashGeometry.DimFor(shape.HeadDim));
            var args = FlashArgs(call, FlashSchedule.ForQueries(shape, tiles, Processors));
            (args.Lse, args.Delta, args.Add0) = (Address(lse), Address(delta), Flag(accumulateDq));
            (args.Kept0, args.Kept1) = (Map(call, q, true, tiles.Rows), Map(call, dO, true, tiles.Rows));
            (args.Passing0, args.Passing1) = (Map(call, k, false, tiles.Columns), Map(call, v, false, tiles.Columns));
            args.Result0 = Map(call, queries, true, FlashGeometry.WarpgroupRows);
            Scores(call, products: 3);
            RunQueryGradient(tiles, args);
        }
        int dim = FlashGeometry.DimFor(shape.HeadDim);
        if (dim <= FlashGeometry.WidestTogether && (dk is not null || dv is not null))
        {
            // The kernel computes both; what is not wanted goes nowhere.
            using var spare = dk is null || dv is null ? this.NewTensor(k.Tensor.Shape, DType.BF16, MemoryKind.Workspace) : null;
            FlashKeyGradient(FlashGeometry.KeyGradient(dim), call, q, k, v, dO, lse, delta, dk ?? k.On(spare!), accumulateDk, dv
                ?? k.On(spare!), accumulateDv);
        }
        else
        {
            if (dk is not null)
            {
                FlashKeyGradient(FlashGeometry.KeyGradient(dim), call, q, k, v, dO, lse, delta, dk, accumulateDk, null, false);
            }
            if (dv is not null)
            {
                FlashKeyGradient(FlashGeometry.ValueGradient(dim), call, q, k, v, dO, lse, delta, null, false, dv, accumulateDv);
            }
        }
    }

    private void FlashKeyGradient(in FlashGeometry tiles, in AttentionCall call, Heads q, Heads k, Heads v, Heads dO, Tensor lse,
        Tensor delta,
        Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv)
    {
        var shape = call.Shape;
        var schedule = FlashSchedule.ForKeys(shape, tiles, Processors);
        var args = FlashArgs(call, schedule);
        (args.Lse, args.Delta) = (Address(lse), Address(delta));
        (args.Kept0, args.Kept1) = (Map(call, k, false, tiles.Rows), Map(call, v, false, tiles.Rows));
        (args.Passing0, args.Passing1) = (Map(call, q, true, tiles.Columns), Map(call, dO, true, tiles.Columns));
        Scores(call, products: dk is null ? 2 : dv is null ? 3 : 4);
        if (schedule.Shares == 1)
        {
            (args.Add0, args.Add1) = (Flag(accumulateDk), Flag(accumulateDv));
            (args.Result0, args.Result1) = (ResultMap(call, dk), ResultMap(call, dv));
            RunKeyGradient(tiles, args);
            return;
        }
        int heads = shape.KeyHeads * schedule.Shares;
        Shape parts = [shape.Batch, shape.KeyLength, heads * shape.HeadDim];
        using var keys = dk is null ? null : this.NewTensor(parts, DType.BF16, MemoryKind.Workspace);
        using var values = dv is null ? null : this.NewTensor(parts, DType.BF16, MemoryKind.Workspace);
        args.Result0 = ResultMap(call, keys is null ? null : new Heads(keys, heads, shape.HeadDim));
        args.Result1 = ResultMap(call, values is null ? null : new Heads(values, heads, shape.HeadDim));
        RunKeyGradient(tiles, args);
        if (dk is { } toKeys)
        {
            AddShares(keys!, schedule.Shares, toKeys, accumulateDk);
        }
        if (dv is { } toValues)
        {
            AddShares(values!, schedule.Shares, toValues, accumulateDv);
        }
    }

    private static CopyMap ResultMap(in AttentionCall call, Heads? result) =>
        result is { } heads ? Map(call, heads, false, FlashGeometry.WarpgroupRows) : default;

    private void AddShares(Tensor parts, int shares, Heads to, bool accumulate)
    {
        var layout = to.Layout;
        _device.ForEach<AttentionSharesBf16x8, AttentionSharesBf16x8Args>(parts.Count / shares / 8, new AttentionSharesBf16x8Args
        {
            Parts = Bf16x8View(parts),
            Sum = Bf16x8View(to.Tensor),
            Row = layout.RowStride / 8,
            Offset = layout.Offset / 8,
            Head = layout.HeadStride / 8,
            Vectors = to.Dim / 8,
            Heads = to.Count,
            Shares = shares,
            Items = checked((int)(parts.Count / shares / 8)),
            Accumulate = Flag(accumulate),
        });
    }

    private void Delta(in AttentionShape shape, Heads o, Heads dO, Tensor delta)
    {
        HeadLayout from = o.Layout, with = dO.Layout;
        Moves(o.Tensor, dO.Tensor, delta);
        _device.ForEach<AttentionDeltaBf16x8, AttentionDeltaBf16x8Args>((long)shape.Batch * shape.QueryLength * shape.Heads *
            AttentionDeltaBf16x8.Lanes, new AttentionDeltaBf16x8Args
            {
                O = Bf16x8View(o.Tensor),
                DOut = Bf16x8View(dO.Tensor),
                Delta = F32(delta),
                RowO = from.RowStride / 8,
                OffsetO = from.Offset / 8,
                HeadO = from.HeadStride / 8,
                RowDOut = with.RowStride / 8,
                OffsetDOut = with.Offset / 8,
                HeadDOut = with.HeadStride / 8,
                Vectors = shape.HeadDim / 8,
                Batch = shape.Batch,
                Queries = shape.QueryLength,
                Heads = shape.Heads,
            });
    }

    // The next launch does so many products of what a causal mask leaves of the scores. What ranges leave is known on the device alone.
    private void Scores(in AttentionCall call, int products)
    {
        var shape = call.Shape;
        double queries = shape.QueryLength, keys = Math.Max(shape.KeyLength, queries);
        double seen = (queries * (keys - queries)) + (queries * (queries + 1) / 2);
        _device.Work = new Work(call.Ranges is null ? 2.0 * products * shape.Batch * shape.Heads * shape.HeadDim * seen : 0, 0);
    }

    private FlashArgs<RawView> FlashArgs(in AttentionCall call, in FlashSchedule schedule)
    {
        var shape = call.Shape;
        return new FlashArgs<RawView>
        {
            Ranges = call.Ranges is { } ranges ? new RawView { Address = Address(ranges), Length = ranges.Count } : default,
            Counters = new RawView { Address = _device.Counters, Length = 2 },
            Batch = shape.Batch,
            Queries = shape.QueryLength,
            Keys = shape.KeyLength,
            Heads = shape.Heads,
            KeyHeads = shape.KeyHeads,
            HasRanges = Flag(call.Ranges is not null),
            Tiles = schedule.Tiles,
            WorkTiles = schedule.WorkTiles,
            Section = schedule.Section,
            Shares = schedule.Shares,
            Scale = shape.Scale,
            ScaleLog2 = shape.Scale * Log2E,
        };
    }

    // Axes: along the head, heads, tokens of a batch row, batch rows. Boxes never reach into the next batch row.
    private static unsafe CopyMap Map(in AttentionCall call, Heads heads, bool queries, int rows)
    {
        var layout = heads.Layout;
        int tokens = queries ? call.Shape.QueryLength : call.Shape.KeyLength;
        ulong row = (ulong)layout.RowStride * 2;
        byte* room = stackalloc byte[TensorMap.Bytes + 64];
        byte* map = (byte*)(((nint)room + 63) & ~63);
        TensorMap.Write(map, Address(heads.Tensor) + (layout.Offset * 2),
            [(ulong)heads.Dim, (ulong)heads.Count, (ulong)tokens, (ulong)call.Shape.Batch],
            [(ulong)layout.HeadStride * 2, row, row * (ulong)tokens],
            [64, 1, (uint)rows, 1]);
        return *(CopyMap*)map;
    }
}

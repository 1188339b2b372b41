using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private const float Log2E = 1.44269504f;

    private int Processors => _device.Accelerator.NumMultiprocessors;

    /// <summary>Whether Hopper's attention kernels can take a call: BF16 heads of 64 or 128, ranges or causal, no other mask, rows on 16 bytes.</summary>
    private bool TakesFlash(in AttentionCall call, params ReadOnlySpan<Heads> heads)
    {
        if (_device.TensorCores is null || call.Shape.HeadDim is not (64 or 128) || call.Slopes is not null || call.Bias is not null ||
            call.Shape.SoftCap != 0 || call.Shape.Scale <= 0 || (long)call.Shape.Batch * call.Shape.QueryLength * call.Shape.KeyLength == 0)
        {
            return false;
        }
        foreach (var part in heads)
        {
            var layout = part.Layout;
            if (part.Tensor.DType != DType.BF16 || Address(part.Tensor) % 16 != 0 || (layout.RowStride | layout.Offset | layout.HeadStride) % 8 != 0)
            {
                return false;
            }
        }
        return true;
    }

    private void Flash(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        var tiles = FlashGeometry.Forward(call.Shape.HeadDim);
        var args = FlashArgs(call, FlashPlan.ForQueries(call.Shape, tiles, Processors));
        args.Lse = Address(lse);
        (args.Kept0, args.Result0) = (Map(call, q, true, tiles.Rows), Map(call, o, true, FlashGeometry.WarpgroupRows));
        (args.Passing0, args.Passing1) = (Map(call, k, false, tiles.Columns), Map(call, v, false, tiles.Columns));
        Scores(call, products: 2);
        if (call.Shape.HeadDim == 64)
        {
            Flash<FlashForward<Flash64>>(tiles, args);
        }
        else
        {
            Flash<FlashForward<Flash128>>(tiles, args);
        }
    }

    private void FlashGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv)
    {
        var shape = call.Shape;
        Delta(shape, o, dO, delta);
        if (dq is { } queries)
        {
            var tiles = FlashGeometry.QueryGradient(shape.HeadDim);
            var args = FlashArgs(call, FlashPlan.ForQueries(shape, tiles, Processors));
            (args.Lse, args.Delta, args.Add0) = (Address(lse), Address(delta), Flag(accumulateDq));
            (args.Kept0, args.Kept1) = (Map(call, q, true, tiles.Rows), Map(call, dO, true, tiles.Rows));
            (args.Passing0, args.Passing1) = (Map(call, k, false, tiles.Columns), Map(call, v, false, tiles.Columns));
            args.Result0 = Map(call, queries, true, FlashGeometry.WarpgroupRows);
            Scores(call, products: 3);
            if (shape.HeadDim == 64)
            {
                Flash<FlashQueryGradient<Flash64>>(tiles, args);
            }
            else
            {
                Flash<FlashQueryGradient<Flash128>>(tiles, args);
            }
        }
        if (dk is not null || dv is not null)
        {
            // The kernel computes both; what is not wanted goes nowhere.
            using Tensor? spare = dk is null || dv is null ? this.NewTensor(k.Tensor.Shape, DType.BF16, MemoryKind.Workspace) : null;
            FlashKeyGradient(call, q, k, v, dO, lse, delta, dk ?? k.On(spare!), accumulateDk, dv ?? k.On(spare!), accumulateDv);
        }
    }

    private void FlashKeyGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads dO, Tensor lse, Tensor delta,
        Heads dk, bool accumulateDk, Heads dv, bool accumulateDv)
    {
        var shape = call.Shape;
        var tiles = FlashGeometry.KeyGradient(shape.HeadDim);
        var plan = FlashPlan.ForKeys(shape, tiles, Processors);
        var args = FlashArgs(call, plan);
        (args.Lse, args.Delta) = (Address(lse), Address(delta));
        (args.Kept0, args.Kept1) = (Map(call, k, false, tiles.Rows), Map(call, v, false, tiles.Rows));
        (args.Passing0, args.Passing1) = (Map(call, q, true, tiles.Columns), Map(call, dO, true, tiles.Columns));
        Scores(call, products: 4);
        if (plan.Shares == 1)
        {
            (args.Add0, args.Add1) = (Flag(accumulateDk), Flag(accumulateDv));
            (args.Result0, args.Result1) = (Map(call, dk, false, FlashGeometry.WarpgroupRows), Map(call, dv, false, FlashGeometry.WarpgroupRows));
            FlashKeyGradient(tiles, args);
            return;
        }
        int heads = shape.KeyHeads * plan.Shares;
        Shape parts = [shape.Batch, shape.KeyLength, heads * shape.HeadDim];
        using Tensor keys = this.NewTensor(parts, DType.BF16, MemoryKind.Workspace), values = this.NewTensor(parts, DType.BF16, MemoryKind.Workspace);
        args.Result0 = Map(call, new Heads(keys, heads, shape.HeadDim), false, FlashGeometry.WarpgroupRows);
        args.Result1 = Map(call, new Heads(values, heads, shape.HeadDim), false, FlashGeometry.WarpgroupRows);
        FlashKeyGradient(tiles, args);
        AddShares(keys, plan.Shares, dk, accumulateDk);
        AddShares(values, plan.Shares, dv, accumulateDv);
    }

    private void FlashKeyGradient(in FlashGeometry tiles, in FlashArgs<RawView> args)
    {
        if (tiles.Dim == 64)
        {
            Flash<FlashKeyGradient<Flash64>>(tiles, args);
        }
        else
        {
            Flash<FlashKeyGradient<Flash128>>(tiles, args);
        }
    }

    private void AddShares(Tensor parts, int shares, Heads to, bool accumulate)
    {
        var layout = to.Layout;
        _device.ForEach<AttentionShares8, AttentionShares8Args>(parts.Count / shares / 8, new AttentionShares8Args
        {
            Parts = Eights(parts),
            Sum = Eights(to.Tensor),
            Row = layout.RowStride / 8,
            Offset = layout.Offset / 8,
            Head = layout.HeadStride / 8,
            Eights = to.Dim / 8,
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
        _device.ForEach<AttentionDelta8, AttentionDelta8Args>((long)shape.Batch * shape.QueryLength * shape.Heads * AttentionDelta8.Lanes, new AttentionDelta8Args
        {
            O = Eights(o.Tensor),
            DOut = Eights(dO.Tensor),
            Delta = F32(delta),
            RowO = from.RowStride / 8,
            OffsetO = from.Offset / 8,
            HeadO = from.HeadStride / 8,
            RowDOut = with.RowStride / 8,
            OffsetDOut = with.Offset / 8,
            HeadDOut = with.HeadStride / 8,
            Eights = shape.HeadDim / 8,
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

    private void Flash<TKernel>(in FlashGeometry tiles, in FlashArgs<RawView> args) where TKernel : struct, IKernel<FlashArgs<ArrayView<int>>> =>
        _device.RunTensorCores<TKernel, FlashArgs<ArrayView<int>>, FlashArgs<RawView>>(
            Math.Min(args.Items, Processors), 1, LaunchShape.Attention(tiles), args);

    private FlashArgs<RawView> FlashArgs(in AttentionCall call, in FlashPlan plan)
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
            Tiles = plan.Tiles,
            Items = plan.Items,
            Section = plan.Section,
            Shares = plan.Shares,
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
            [(ulong)heads.Dim, (ulong)heads.Count, (ulong)tokens, (ulong)call.Shape.Batch], [(ulong)layout.HeadStride * 2, row, row * (ulong)tokens],
            [64, 1, (uint)rows, 1]);
        return *(CopyMap*)map;
    }
}

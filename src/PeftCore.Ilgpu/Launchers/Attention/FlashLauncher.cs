using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Attention on Hopper's tensor cores (<see cref="FlashForward{TDim}"/>, <see cref="FlashQueryGradient{TDim}"/>,
/// <see cref="FlashKeyGradient{TDim}"/>). Tests compare it with the CPU's attention, as they do the portable kernels.</summary>
internal sealed class FlashLauncher : IDisposable
{
    private const float Log2E = 1.44269504f;
    private const int CounterBytes = 256;

    private readonly LaunchContext _gpu;
    private readonly FlashKernels _kernels;

    // Two numbers that are 0 between launches: thread blocks draw their work tiles by counting in them.
    private readonly nint _counters;

    public FlashLauncher(LaunchContext gpu)
    {
        (_gpu, _kernels) = (gpu, new FlashKernels(gpu.Device));
        _counters = gpu.Device.Memory.Take(CounterBytes);
        gpu.Device.Memory.Fill(_counters, 0, CounterBytes);
    }

    private int Processors => _gpu.Device.Processors;

    /// <summary>Whether these kernels can compute a call: BF16 heads of dimension up to 256, causal or by ranges, no other mask, and heads
    /// that start at multiples of 16 bytes.</summary>
    public static bool CanTake(in AttentionCall call, params ReadOnlySpan<Heads> heads)
    {
        if (call.Shape.HeadDim % 8 != 0 || FlashGeometry.DimFor(call.Shape.HeadDim) == 0
            || call.Shape.ValueDim != call.Shape.HeadDim
            || call.Slopes is not null || call.Bias is not null || call.Sinks is not null || call.Dropout.Active ||
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

    public void Forward(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        var tiles = FlashGeometry.Forward(FlashGeometry.DimFor(call.Shape.HeadDim));
        var args = FlashArgs(call, FlashSchedule.ForQueries(call.Shape, tiles, Processors));
        args.Lse = Address(lse);
        (args.Kept0, args.Result0) = (Map(call, q, true, tiles.Rows), Map(call, o, true, FlashGeometry.WarpgroupRows));
        (args.Passing0, args.Passing1) = (Map(call, k, false, tiles.Columns), Map(call, v, false, tiles.Columns));
        CountFlops(call, products: 2);
        _kernels.Forward(tiles, args);
    }

    public void Gradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
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
            CountFlops(call, products: 3);
            _kernels.QueryGradient(tiles, args);
        }
        int dim = FlashGeometry.DimFor(shape.HeadDim);
        if (dim <= FlashGeometry.MaxFusedDim && (dk is not null || dv is not null))
        {
            // The kernel computes both gradients; one that is not wanted goes to workspace.
            using var spare = dk is null || dv is null ? _gpu.Workspace(k.Tensor.Shape, DType.BF16) : null;
            KeyGradient(FlashGeometry.KeyGradient(dim), call, q, k, v, dO, lse, delta, dk ?? k.On(spare!), accumulateDk,
                dv ?? k.On(spare!), accumulateDv);
        }
        else
        {
            if (dk is not null)
            {
                KeyGradient(FlashGeometry.KeyGradient(dim), call, q, k, v, dO, lse, delta, dk, accumulateDk, null, false);
            }
            if (dv is not null)
            {
                KeyGradient(FlashGeometry.ValueGradient(dim), call, q, k, v, dO, lse, delta, null, false, dv, accumulateDv);
            }
        }
    }

    private void KeyGradient(in FlashGeometry tiles, in AttentionCall call, Heads q, Heads k, Heads v, Heads dO, Tensor lse,
        Tensor delta, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv)
    {
        var shape = call.Shape;
        var schedule = FlashSchedule.ForKeys(shape, tiles, Processors);
        var args = FlashArgs(call, schedule);
        (args.Lse, args.Delta) = (Address(lse), Address(delta));
        (args.Kept0, args.Kept1) = (Map(call, k, false, tiles.Rows), Map(call, v, false, tiles.Rows));
        (args.Passing0, args.Passing1) = (Map(call, q, true, tiles.Columns), Map(call, dO, true, tiles.Columns));
        CountFlops(call, products: dk is null ? 2 : dv is null ? 3 : 4);
        if (schedule.Splits == 1)
        {
            (args.Add0, args.Add1) = (Flag(accumulateDk), Flag(accumulateDv));
            (args.Result0, args.Result1) = (ResultMap(call, dk), ResultMap(call, dv));
            _kernels.KeyGradient(tiles, args);
            return;
        }
        int heads = shape.KeyHeads * schedule.Splits;
        Shape parts = [shape.Batch, shape.KeyLength, heads * shape.HeadDim];
        using var keys = dk is null ? null : _gpu.Workspace(parts, DType.BF16);
        using var values = dv is null ? null : _gpu.Workspace(parts, DType.BF16);
        args.Result0 = ResultMap(call, keys is null ? null : new Heads(keys, heads, shape.HeadDim));
        args.Result1 = ResultMap(call, values is null ? null : new Heads(values, heads, shape.HeadDim));
        _kernels.KeyGradient(tiles, args);
        if (dk is { } toKeys)
        {
            AddSplits(keys!, schedule.Splits, toKeys, accumulateDk);
        }
        if (dv is { } toValues)
        {
            AddSplits(values!, schedule.Splits, toValues, accumulateDv);
        }
    }

    private static CopyMap ResultMap(in AttentionCall call, Heads? result) =>
        result is { } heads ? Map(call, heads, false, FlashGeometry.WarpgroupRows) : default;

    private void AddSplits(Tensor parts, int splits, Heads to, bool accumulate)
    {
        var layout = to.Layout;
        _gpu.ForEach<AttentionSplitsBf16x8, AttentionSplitsBf16x8Args>(parts.Count / splits / 8, new AttentionSplitsBf16x8Args
        {
            Parts = _gpu.Bf16x8(parts),
            Sum = _gpu.Bf16x8(to.Tensor),
            Row = layout.RowStride / 8,
            Offset = layout.Offset / 8,
            Head = layout.HeadStride / 8,
            Vectors = to.Dim / 8,
            Heads = to.Count,
            Splits = splits,
            Items = checked((int)(parts.Count / splits / 8)),
            Accumulate = Flag(accumulate),
        });
    }

    private void Delta(in AttentionShape shape, Heads o, Heads dO, Tensor delta)
    {
        HeadLayout from = o.Layout, with = dO.Layout;
        _gpu.Moves(o.Tensor, dO.Tensor, delta);
        _gpu.ForEach<AttentionDeltaBf16x8, AttentionDeltaBf16x8Args>((long)shape.Batch * shape.QueryLength * shape.Heads *
            AttentionDeltaBf16x8.Lanes, new AttentionDeltaBf16x8Args
            {
                O = _gpu.Bf16x8(o.Tensor),
                DOut = _gpu.Bf16x8(dO.Tensor),
                Delta = _gpu.F32(delta),
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

    // The next launch computes so many products over the scores that a causal mask leaves. How many ranges leave, only the device knows.
    private void CountFlops(in AttentionCall call, int products)
    {
        var shape = call.Shape;
        double queries = shape.QueryLength, keys = Math.Max(shape.KeyLength, queries);
        double seen = (queries * (keys - queries)) + (queries * (queries + 1) / 2);
        _gpu.Device.Work = new Work(call.Ranges is null ? 2.0 * products * shape.Batch * shape.Heads * shape.HeadDim * seen : 0, 0);
    }

    public void Dispose() => _gpu.Device.Memory.Return(_counters, CounterBytes);

    private FlashArgs<RawView> FlashArgs(in AttentionCall call, in FlashSchedule schedule)
    {
        var shape = call.Shape;
        return new FlashArgs<RawView>
        {
            Ranges = call.Ranges is { } ranges ? new RawView { Address = Address(ranges), Length = ranges.Count } : default,
            Counters = new RawView { Address = _counters, Length = 2 },
            Batch = shape.Batch,
            Queries = shape.QueryLength,
            Keys = shape.KeyLength,
            Heads = shape.Heads,
            KeyHeads = shape.KeyHeads,
            HasRanges = Flag(call.Ranges is not null),
            Tiles = schedule.Tiles,
            WorkTiles = schedule.WorkTiles,
            Section = schedule.Section,
            Splits = schedule.Splits,
            Scale = shape.Scale,
            ScaleLog2 = shape.Scale * Log2E,
        };
    }

    // Axes: head dimension, heads, tokens of a batch row, batch rows; so boxes never reach into the next batch row.
    private static unsafe CopyMap Map(in AttentionCall call, Heads heads, bool queries, int rows)
    {
        var layout = heads.Layout;
        int tokens = queries ? call.Shape.QueryLength : call.Shape.KeyLength;
        ulong row = (ulong)layout.RowStride * 2;
        byte* buffer = stackalloc byte[TensorMap.Bytes + 64];
        byte* map = (byte*)(((nint)buffer + 63) & ~63);
        TensorMap.Write(map, Address(heads.Tensor) + (layout.Offset * 2),
            [(ulong)heads.Dim, (ulong)heads.Count, (ulong)tokens, (ulong)call.Shape.Batch],
            [(ulong)layout.HeadStride * 2, row, row * (ulong)tokens],
            [64, 1, (uint)rows, 1]);
        return *(CopyMap*)map;
    }
}

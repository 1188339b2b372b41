using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Attention on Hopper's tensor cores (<see cref="FlashForward{TDim, TTerms}"/>, <see cref="FlashQueryGradient{TDim, TTerms}"/>,
/// <see cref="FlashKeyGradient{TDim, TTerms}"/>). Tests compare it with the CPU's attention, as they do the portable kernels.</summary>
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

    /// <summary>Whether these kernels can compute a call: BF16 heads of dimension up to 256 that start at multiples of 16 bytes, causal or
    /// by ranges, with any bias, slopes, sinks and dropout; or with a soft cap and neither bias, slopes nor dropout.</summary>
    public static bool CanTake(in AttentionCall call, params ReadOnlySpan<Heads> heads)
    {
        var shape = call.Shape;
        bool capped = shape.SoftCap != 0;
        if ((shape.HeadDim | shape.ValueDim) % 8 != 0 || DimOf(shape) == 0
            || (capped && (shape.SoftCap < 0 || call.Slopes is not null || call.Bias is not null || call.Dropout.Active))
            || shape.Scale <= 0 || (long)shape.Batch * shape.QueryLength * shape.KeyLength == 0)
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

    /// <summary>Whether the kernel of the queries' gradient adds to the bias gradient too: if each score has a bias of its own.</summary>
    public static bool CanSumBias(in AttentionCall call, Heads? dq, Tensor dBias) =>
        dq is not null && call.BiasStrides.IsFull(call.Shape) && Address(dBias) % 8 == 0;

    // The dimension of the kernels: values narrower or wider than keys are padded with zeros, as heads between two dimensions are.
    private static int DimOf(in AttentionShape shape) => FlashGeometry.DimFor(Math.Max(shape.HeadDim, shape.ValueDim));

    private static bool HasTerms(in AttentionCall call) =>
        call.Bias is not null || call.Slopes is not null || call.Shape.SoftCap != 0 || call.Dropout.Active;

    public void Forward(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        var tiles = FlashGeometry.Forward(DimOf(call.Shape));
        var args = FlashArgs(call, FlashSchedule.ForQueries(call.Shape, tiles, Processors));
        args.Lse = Address(lse);
        (args.Kept0, args.Result0) = (Map(call, q, true, tiles.Rows), Map(call, o, true, FlashGeometry.WarpgroupRows));
        (args.Passing0, args.Passing1) = (Map(call, k, false, tiles.Columns), Map(call, v, false, tiles.Columns));
        CountFlops(call, products: 2);
        if (HasTerms(call) || call.Sinks is not null)
        {
            _kernels.Forward<WithTerms>(tiles, args);
        }
        else
        {
            _kernels.Forward<NoTerms>(tiles, args);
        }
    }

    public void Gradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
    {
        var shape = call.Shape;
        Delta(shape, o, dO, delta);
        if (dq is { } queries)
        {
            var tiles = FlashGeometry.QueryGradient(DimOf(shape));
            var args = FlashArgs(call, FlashSchedule.ForQueries(shape, tiles, Processors));
            (args.Lse, args.Delta, args.Add0) = (Address(lse), Address(delta), Flag(accumulateDq));
            (args.Kept0, args.Kept1) = (Map(call, q, true, tiles.Rows), Map(call, dO, true, tiles.Rows));
            (args.Passing0, args.Passing1) = (Map(call, k, false, tiles.Columns), Map(call, v, false, tiles.Columns));
            args.Result0 = Map(call, queries, true, FlashGeometry.WarpgroupRows);
            args.DBias = dBias is not null && CanSumBias(call, dq, dBias) ? Address(dBias) : 0;
            CountFlops(call, products: 3);
            if (HasTerms(call))
            {
                _kernels.QueryGradient<WithTerms>(tiles, args);
            }
            else
            {
                _kernels.QueryGradient<NoTerms>(tiles, args);
            }
        }
        int dim = DimOf(shape);
        if (dim <= FlashGeometry.MaxFusedDim && (dk is not null || dv is not null))
        {
            // The kernel computes both gradients; one that is not wanted goes to workspace.
            using var spare = dk is null || dv is null ? _gpu.Workspace(k.Tensor.Shape, DType.BF16) : null;
            KeyGradient(FlashGeometry.KeyGradient(dim, HasTerms(call)), call, q, k, v, dO, lse, delta, dk ?? k.On(spare!), accumulateDk,
                dv ?? k.On(spare!), accumulateDv);
        }
        else
        {
            if (dk is not null)
            {
                KeyGradient(FlashGeometry.KeyGradient(dim, HasTerms(call)), call, q, k, v, dO, lse, delta, dk, accumulateDk, null, false);
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
            KeyGradient(tiles, args, HasTerms(call));
            return;
        }
        int heads = shape.KeyHeads * schedule.Splits;
        using var keys = dk is null ? null : _gpu.Workspace([shape.Batch, shape.KeyLength, heads * shape.HeadDim], DType.BF16);
        using var values = dv is null ? null : _gpu.Workspace([shape.Batch, shape.KeyLength, heads * shape.ValueDim], DType.BF16);
        args.Result0 = ResultMap(call, keys is null ? null : new Heads(keys, heads, shape.HeadDim));
        args.Result1 = ResultMap(call, values is null ? null : new Heads(values, heads, shape.ValueDim));
        KeyGradient(tiles, args, HasTerms(call));
        if (dk is { } toKeys)
        {
            AddSplits(keys!, schedule.Splits, toKeys, accumulateDk);
        }
        if (dv is { } toValues)
        {
            AddSplits(values!, schedule.Splits, toValues, accumulateDv);
        }
    }

    private void KeyGradient(in FlashGeometry tiles, in FlashArgs<RawView> args, bool terms)
    {
        if (terms)
        {
            _kernels.KeyGradient<WithTerms>(tiles, args);
        }
        else
        {
            _kernels.KeyGradient<NoTerms>(tiles, args);
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
                Vectors = shape.ValueDim / 8,
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
            Ranges = Raw(call.Ranges),
            Counters = new RawView { Address = _counters, Length = 2 },
            Batch = shape.Batch,
            Queries = shape.QueryLength,
            Keys = shape.KeyLength,
            Heads = shape.Heads,
            KeyHeads = shape.KeyHeads,
            HasRanges = Flag(call.Ranges is not null),
            Slopes = Raw(call.Slopes),
            Sinks = Raw(call.Sinks),
            Bias = call.Bias is { } bias ? Address(bias) : 0,
            BiasBatch = call.BiasStrides.Batch,
            BiasHead = call.BiasStrides.Head,
            HasBias = call.Bias is not { } some ? 0 : shape.KeyLength % 2 == 0 && Address(some) % 8 == 0 ? 2 : 1,
            HasSlopes = Flag(call.Slopes is not null),
            HasSinks = Flag(call.Sinks is not null),
            HasCap = Flag(shape.SoftCap != 0),
            Seed = call.Dropout.Seed,
            Stream = call.Dropout.Stream,
            Passes = call.Dropout.Active ? _gpu.Capturing?.ReadPasses().Halves ?? default : default,
            DropBelow = call.Dropout.Below,
            KeptScale = call.Dropout.Scale,
            Tiles = schedule.Tiles,
            WorkTiles = schedule.WorkTiles,
            Section = schedule.Section,
            Splits = schedule.Splits,
            Scale = shape.Scale,
            ScaleLog2 = shape.Scale * Log2E,
            InverseScale = 1 / shape.Scale,
            CapExponent = shape.SoftCap == 0 ? 0 : 2 * Log2E * shape.Scale / shape.SoftCap,
            CapScore = shape.SoftCap / shape.Scale,
            CapInverse = shape.SoftCap == 0 ? 0 : shape.Scale / shape.SoftCap,
        };
    }

    private static RawView Raw(Tensor? tensor) =>
        tensor is null ? default : new RawView { Address = Address(tensor), Length = tensor.Count };

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

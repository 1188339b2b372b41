using ILGPU;
using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    private const float Log2E = 1.44269504f;

    /// <summary>Whether Hopper's attention kernels can take a call: heads of 64 or 128, ranges or causal, no other mask, rows on 16 bytes.</summary>
    private bool TakesFlash(in AttentionCall call, params ReadOnlySpan<Heads> heads)
    {
        if (_options.ComputeDType != DType.BF16 || _device.TensorCores is null || call.Shape.HeadDim is not (64 or 128) ||
            call.Slopes is not null || call.Bias is not null || call.Shape.SoftCap != 0)
        {
            return false;
        }
        foreach (var part in heads)
        {
            var layout = part.Layout;
            if (Address(part.Tensor) % 16 != 0 || (layout.RowStride | layout.Offset | layout.HeadStride) % 4 != 0)
            {
                return false;
            }
        }
        return true;
    }

    private void Flash(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        var args = FlashArgs(call, q, k, v);
        (args.O, args.Lse) = (FlashHeads(o), Address(lse));
        args.Tiles = ProductPlan.Count(args.Queries, FlashPtx.Tile);
        int groups = args.Batch * args.Heads * args.Tiles;
        if (call.Shape.HeadDim == 64)
        {
            Flash<FlashForward<Flash64>>(groups, 64, args);
        }
        else
        {
            Flash<FlashForward<Flash128>>(groups, 128, args);
        }
    }

    private void FlashGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads dk, bool accumulateDk, Heads dv, bool accumulateDv)
    {
        var args = FlashArgs(call, q, k, v);
        (args.DOut, args.Lse, args.Delta) = (FlashHeads(dO), Address(lse), Address(delta));
        (args.DK, args.DV, args.AddDK, args.AddDV) = (FlashHeads(dk), FlashHeads(dv), Flag(accumulateDk), Flag(accumulateDv));
        bool small = call.Shape.HeadDim == 64;
        if (dq is { } query)
        {
            (args.DQ, args.AddDQ, args.Tiles) = (FlashHeads(query), Flag(accumulateDq), ProductPlan.Count(args.Queries, FlashPtx.Tile));
            int groups = args.Batch * args.Heads * args.Tiles;
            if (small)
            {
                Flash<FlashQueryGradient<Flash64>>(groups, 64, args);
            }
            else
            {
                Flash<FlashQueryGradient<Flash128>>(groups, 128, args);
            }
        }
        args.Tiles = ProductPlan.Count(args.Keys, FlashPtx.Tile);
        if (small)
        {
            Flash<FlashKeyGradient<Flash64>>(args.Batch * args.KeyHeads * args.Tiles, 64, args);
        }
        else
        {
            Flash<FlashKeyGradient<Flash128>>(args.Batch * args.KeyHeads * args.Tiles, 128, args);
        }
    }

    private void Flash<TKernel>(int groups, int dim, in FlashArgs<RawView> args) where TKernel : struct, IKernel<FlashArgs<ArrayView<int>>> =>
        _device.RunTensorCores<TKernel, FlashArgs<ArrayView<int>>, FlashArgs<RawView>>(groups, 1, LaunchShape.Attention(dim), args);

    private static FlashArgs<RawView> FlashArgs(in AttentionCall call, Heads q, Heads k, Heads v)
    {
        var shape = call.Shape;
        return new FlashArgs<RawView>
        {
            Ranges = call.Ranges is { } ranges ? new RawView { Address = Address(ranges), Length = ranges.Count } : default,
            Q = FlashHeads(q),
            K = FlashHeads(k),
            V = FlashHeads(v),
            Batch = shape.Batch,
            Queries = shape.QueryLength,
            Keys = shape.KeyLength,
            Heads = shape.Heads,
            KeyHeads = shape.KeyHeads,
            HasRanges = Flag(call.Ranges is not null),
            Scale = shape.Scale,
            ScaleLog2 = shape.Scale * Log2E,
        };
    }

    private static FlashHeads FlashHeads(Heads heads) => new()
    {
        Address = Address(heads.Tensor) + ((long)heads.Layout.Offset * sizeof(float)),
        Row = (long)heads.Layout.RowStride * sizeof(float),
        Head = (long)heads.Layout.HeadStride * sizeof(float),
    };
}

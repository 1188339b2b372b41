using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Attention;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        if (TakesFlash(call, q, k, v, o))
        {
            Flash(call, q, k, v, o, lse);
        }
        else if (Stores(DType.F32, q, k, v, o))
        {
            Attend<Float32>(call, q, k, v, o, lse);
        }
        else if (Stores(DType.BF16, q, k, v, o))
        {
            Attend<BFloat16>(call, q, k, v, o, lse);
        }
        else
        {
            StagedAttention(call, q, k, v, o, lse);
        }
    }

    /// <inheritdoc/>
    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
    {
        ReadOnlySpan<Heads> all = [q, k, v, o, dO, dq ?? q, dk ?? k, dv ?? v];
        if (dBias is null && TakesFlash(call, all))
        {
            FlashGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv);
        }
        else if (Stores(DType.F32, all))
        {
            Gradients<Float32>(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
        }
        else if (Stores(DType.BF16, all))
        {
            Gradients<BFloat16>(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
        }
        else
        {
            StagedAttentionGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
        }
    }

    private static bool Stores(DType dtype, params ReadOnlySpan<Heads> heads)
    {
        foreach (var part in heads)
        {
            if (part.Tensor.DType != dtype)
            {
                return false;
            }
        }
        return true;
    }

    private void Attend<TElement>(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
        where TElement : unmanaged, IElement<TElement>
    {
        var args = AttentionArgs<TElement>(call, q, k, v);
        args.O = HeadsOf<TElement>(o);
        args.Lse = F32(lse);
        if (_device.Name.IsCuda)
        {
            Attend<Block16x16, TElement>(args);
        }
        else
        {
            Attend<Block4x4, TElement>(args);
        }
    }

    private void Attend<TBlock, TElement>(AttentionArgs<TElement> args)
        where TBlock : struct, IBlockShape
        where TElement : unmanaged, IElement<TElement>
    {
        int tile = 4 * TBlock.Side;
        (args.Tiles, args.Chunks) = (SplitKSchedule.Count(args.Queries, tile), SplitKSchedule.Count(args.Dim, tile));
        _device.Run<AttentionForward<TBlock, TElement>, AttentionArgs<TElement>>(args.Batch * args.Heads * args.Tiles * args.Chunks, 1,
            args);
    }

    private void Gradients<TElement>(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
        where TElement : unmanaged, IElement<TElement>
    {
        var args = AttentionArgs<TElement>(call, q, k, v);
        (args.O, args.DOut, args.Lse, args.Delta) = (HeadsOf<TElement>(o), HeadsOf<TElement>(dO), F32(lse), F32(delta));
        (args.DQ, args.DK, args.DV, args.DBias) =
            (HeadsOrNone<TElement>(dq), HeadsOrNone<TElement>(dk), HeadsOrNone<TElement>(dv), F32OrNone(dBias));
        (args.AddDQ, args.AddDK, args.AddDV) = (Flag(accumulateDq), Flag(accumulateDk), Flag(accumulateDv));
        (args.HasDK, args.HasDV) = (Flag(dk is not null), Flag(dv is not null));
        _device.ForEach<AttentionDelta<TElement>, AttentionArgs<TElement>>((long)args.Batch * args.Queries * args.Heads, args);
        if (dBias is not null)
        {
            _device.ForEach<AttentionBiasGradient<TElement>, AttentionArgs<TElement>>(dBias.Count, args);
        }
        if (_device.Name.IsCuda)
        {
            Gradients<Block16x16, TElement>(args, dq is not null);
        }
        else
        {
            Gradients<Block4x4, TElement>(args, dq is not null);
        }
    }

    private void Gradients<TBlock, TElement>(AttentionArgs<TElement> args, bool wantsDQ)
        where TBlock : struct, IBlockShape
        where TElement : unmanaged, IElement<TElement>
    {
        int tile = 4 * TBlock.Side;
        args.Chunks = SplitKSchedule.Count(args.Dim, tile);
        if (wantsDQ)
        {
            args.Tiles = SplitKSchedule.Count(args.Queries, tile);
            _device.Run<AttentionQueryGradient<TBlock, TElement>, AttentionArgs<TElement>>(args.Batch * args.Heads * args.Tiles *
                args.Chunks, 1, args);
        }
        if (args.HasDK != 0 || args.HasDV != 0)
        {
            args.Tiles = SplitKSchedule.Count(args.Keys, tile);
            _device.Run<AttentionKeyGradient<TBlock, TElement>, AttentionArgs<TElement>>(args.Batch * args.KeyHeads * args.Tiles *
                args.Chunks, 1, args);
        }
    }

    private AttentionArgs<TElement> AttentionArgs<TElement>(in AttentionCall call, Heads q, Heads k, Heads v)
        where TElement : unmanaged, IElement<TElement>
    {
        var shape = call.Shape;
        var none = HeadsOrNone<TElement>(null);
        return new AttentionArgs<TElement>
        {
            Q = HeadsOf<TElement>(q),
            K = HeadsOf<TElement>(k),
            V = HeadsOf<TElement>(v),
            O = none,
            DOut = none,
            DQ = none,
            DK = none,
            DV = none,
            Lse = None<float>(),
            Delta = None<float>(),
            DBias = None<float>(),
            Slopes = F32OrNone(call.Slopes),
            Bias = F32OrNone(call.Bias),
            Ranges = call.Ranges is null ? None<int>() : I32(call.Ranges),
            Batch = shape.Batch,
            Queries = shape.QueryLength,
            Keys = shape.KeyLength,
            Heads = shape.Heads,
            KeyHeads = shape.KeyHeads,
            Dim = shape.HeadDim,
            HasRanges = Flag(call.Ranges is not null),
            HasSlopes = Flag(call.Slopes is not null),
            HasBias = Flag(call.Bias is not null),
            SharedBias = Flag(call.Bias is not null && call.Bias.Count < (long)shape.Heads * shape.QueryLength * shape.KeyLength),
            Scale = shape.Scale,
            SoftCap = shape.SoftCap,
        };
    }
}

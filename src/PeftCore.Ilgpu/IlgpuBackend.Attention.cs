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
            Attend<Single32>(call, q, k, v, o, lse);
        }
        else if (Stores(DType.BF16, q, k, v, o))
        {
            Attend<Brain16>(call, q, k, v, o, lse);
        }
        else
        {
            WideAttention(call, q, k, v, o, lse);
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
            Gradients<Single32>(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
        }
        else if (Stores(DType.BF16, all))
        {
            Gradients<Brain16>(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
        }
        else
        {
            WideAttentionGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
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

    private void Attend<TStored>(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse) where TStored : unmanaged, IStored<TStored>
    {
        var args = AttentionArgs<TStored>(call, q, k, v);
        args.O = HeadsOf<TStored>(o);
        args.Lse = F32(lse);
        if (_device.Name.IsCuda)
        {
            Attend<WideGroup, TStored>(args);
        }
        else
        {
            Attend<SmallGroup, TStored>(args);
        }
    }

    private void Attend<TSide, TStored>(AttentionArgs<TStored> args)
        where TSide : struct, IThreadSide
        where TStored : unmanaged, IStored<TStored>
    {
        int tile = 4 * TSide.Side;
        (args.Tiles, args.Chunks) = (SplitKSchedule.Count(args.Queries, tile), SplitKSchedule.Count(args.Dim, tile));
        _device.Run<AttentionForward<TSide, TStored>, AttentionArgs<TStored>>(args.Batch * args.Heads * args.Tiles * args.Chunks, 1, args);
    }

    private void Gradients<TStored>(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
        where TStored : unmanaged, IStored<TStored>
    {
        var args = AttentionArgs<TStored>(call, q, k, v);
        (args.O, args.DOut, args.Lse, args.Delta) = (HeadsOf<TStored>(o), HeadsOf<TStored>(dO), F32(lse), F32(delta));
        (args.DQ, args.DK, args.DV, args.DBias) = (HeadsOrNone<TStored>(dq), HeadsOrNone<TStored>(dk), HeadsOrNone<TStored>(dv), F32OrNone(dBias));
        (args.AddDQ, args.AddDK, args.AddDV) = (Flag(accumulateDq), Flag(accumulateDk), Flag(accumulateDv));
        (args.HasDK, args.HasDV) = (Flag(dk is not null), Flag(dv is not null));
        _device.ForEach<AttentionDelta<TStored>, AttentionArgs<TStored>>((long)args.Batch * args.Queries * args.Heads, args);
        if (dBias is not null)
        {
            _device.ForEach<AttentionBiasGradient<TStored>, AttentionArgs<TStored>>(dBias.Count, args);
        }
        if (_device.Name.IsCuda)
        {
            Gradients<WideGroup, TStored>(args, dq is not null);
        }
        else
        {
            Gradients<SmallGroup, TStored>(args, dq is not null);
        }
    }

    private void Gradients<TSide, TStored>(AttentionArgs<TStored> args, bool wantsDQ)
        where TSide : struct, IThreadSide
        where TStored : unmanaged, IStored<TStored>
    {
        int tile = 4 * TSide.Side;
        args.Chunks = SplitKSchedule.Count(args.Dim, tile);
        if (wantsDQ)
        {
            args.Tiles = SplitKSchedule.Count(args.Queries, tile);
            _device.Run<AttentionQueryGradient<TSide, TStored>, AttentionArgs<TStored>>(args.Batch * args.Heads * args.Tiles * args.Chunks, 1, args);
        }
        if (args.HasDK != 0 || args.HasDV != 0)
        {
            args.Tiles = SplitKSchedule.Count(args.Keys, tile);
            _device.Run<AttentionKeyGradient<TSide, TStored>, AttentionArgs<TStored>>(args.Batch * args.KeyHeads * args.Tiles * args.Chunks, 1, args);
        }
    }

    private AttentionArgs<TStored> AttentionArgs<TStored>(in AttentionCall call, Heads q, Heads k, Heads v) where TStored : unmanaged, IStored<TStored>
    {
        var shape = call.Shape;
        var none = HeadsOrNone<TStored>(null);
        return new AttentionArgs<TStored>
        {
            Q = HeadsOf<TStored>(q),
            K = HeadsOf<TStored>(k),
            V = HeadsOf<TStored>(v),
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

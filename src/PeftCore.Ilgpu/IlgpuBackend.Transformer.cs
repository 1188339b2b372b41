using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Rope(Heads heads, Tensor cos, Tensor sin, Tensor positions, bool interleaved, bool inverse)
    {
        int rows = heads.Tensor.Shape.Rows, half = cos.Shape.Columns;
        var layout = heads.Layout;
        if (!interleaved && half % 8 == 0 && Packs(heads.Tensor) && (layout.RowStride | layout.Offset | layout.HeadStride) % 8 == 0)
        {
            Moves(heads.Tensor, heads.Tensor);
            _device.ForEach<Rope8, Rope8Args>((long)rows * heads.Count * (half / 8), new Rope8Args
            {
                Heads = Eights(heads.Tensor),
                Cos = Wides(cos),
                Sin = Wides(sin),
                Positions = I32(positions),
                RowStride = layout.RowStride / 8,
                Offset = layout.Offset / 8,
                HeadStride = layout.HeadStride / 8,
                Half = half / 8,
                Rows = rows,
                Count = heads.Count,
                TableRows = cos.Shape.Rows,
                Inverse = Flag(inverse),
            });
            return;
        }
        using var turned = Out(heads.Tensor, true);
        _device.ForEach<Rope, RopeArgs>((long)rows * heads.Count * half, new RopeArgs
        {
            Heads = HeadsOf(heads.On(turned.Tensor)),
            Cos = F32(cos),
            Sin = F32(sin),
            Positions = I32(positions),
            Rows = rows,
            Count = heads.Count,
            Half = half,
            TableRows = cos.Shape.Rows,
            Interleaved = Flag(interleaved),
            Inverse = Flag(inverse),
        });
    }

    /// <inheritdoc/>
    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        if (TakesFlash(call, q, k, v, o))
        {
            Flash(call, q, k, v, o, lse);
            return;
        }
        if (q.Tensor.DType != DType.F32)
        {
            WideAttention(call, q, k, v, o, lse);
            return;
        }
        var args = AttentionArgs(call, q, k, v);
        args.O = HeadsOf(o);
        args.Lse = F32(lse);
        if (_device.Name.IsCuda)
        {
            Attend<WideGroup>(args);
        }
        else
        {
            Attend<SmallGroup>(args);
        }
    }

    /// <inheritdoc/>
    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
    {
        if (dk is null == dv is null && dBias is null && TakesFlash(call, q, k, v, o, dO, dq ?? q, dk ?? k, dv ?? v))
        {
            FlashGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv);
            return;
        }
        if (q.Tensor.DType != DType.F32)
        {
            WideAttentionGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
            return;
        }
        var args = AttentionArgs(call, q, k, v);
        (args.O, args.DOut, args.Lse, args.Delta) = (HeadsOf(o), HeadsOf(dO), F32(lse), F32(delta));
        (args.DQ, args.DK, args.DV, args.DBias) = (HeadsOrNone(dq), HeadsOrNone(dk), HeadsOrNone(dv), F32OrNone(dBias));
        (args.AddDQ, args.AddDK, args.AddDV) = (Flag(accumulateDq), Flag(accumulateDk), Flag(accumulateDv));
        (args.HasDK, args.HasDV) = (Flag(dk is not null), Flag(dv is not null));
        _device.ForEach<AttentionDelta, AttentionArgs>((long)args.Batch * args.Queries * args.Heads, args);
        if (dBias is not null)
        {
            _device.ForEach<AttentionBiasGradient, AttentionArgs>(dBias.Count, args);
        }
        if (_device.Name.IsCuda)
        {
            Gradients<WideGroup>(args, dq is not null);
        }
        else
        {
            Gradients<SmallGroup>(args, dq is not null);
        }
    }

    /// <inheritdoc/>
    public void Softmax(Tensor x, Tensor y)
    {
        using Wide from = In(x), to = Out(y, false);
        _device.Run<SoftmaxForward, SoftmaxArgs>(x.Shape.Rows, 1,
            new SoftmaxArgs { X = from.View, Y = to.View, DOut = None<float>(), Columns = x.Shape.Columns });
    }

    /// <inheritdoc/>
    public void SoftmaxGradient(Tensor y, Tensor dy, Tensor dx, bool accumulate)
    {
        using Wide from = In(y), along = In(dy), to = Out(dx, accumulate);
        _device.Run<SoftmaxBackward, SoftmaxArgs>(y.Shape.Rows, 1,
            new SoftmaxArgs { X = from.View, DOut = along.View, Y = to.View, Columns = y.Shape.Columns, Accumulate = Flag(accumulate) });
    }

    /// <inheritdoc/>
    public void CrossEntropy(Tensor logits, Tensor labels, int ignoreLabel, float scale, Tensor losses, bool writeGradient)
    {
        if (Packs(logits))
        {
            Moves(logits, logits);
            _device.Run<CrossEntropyRows8, CrossEntropy8Args>(logits.Shape.Rows, 1, new CrossEntropy8Args
            {
                Logits = Eights(logits),
                Losses = F32(losses),
                Labels = I32(labels),
                Eights = logits.Shape.Columns / 8,
                IgnoreLabel = ignoreLabel,
                WriteGradient = Flag(writeGradient),
                Scale = scale,
            });
            return;
        }
        using var rows = Out(logits, true);
        _device.Run<CrossEntropyRows, CrossEntropyArgs>(logits.Shape.Rows, 1, new CrossEntropyArgs
        {
            Logits = rows.View,
            Losses = F32(losses),
            Labels = I32(labels),
            Columns = logits.Shape.Columns,
            IgnoreLabel = ignoreLabel,
            WriteGradient = Flag(writeGradient),
            Scale = scale,
        });
    }

    private AttentionArgs AttentionArgs(in AttentionCall call, Heads q, Heads k, Heads v)
    {
        var shape = call.Shape;
        var none = new HeadsView { Data = None<float>() };
        return new AttentionArgs
        {
            Q = HeadsOf(q),
            K = HeadsOf(k),
            V = HeadsOf(v),
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

    private void Attend<TSide>(AttentionArgs args) where TSide : struct, IThreadSide
    {
        int tile = 4 * TSide.Side;
        (args.Tiles, args.Chunks) = (ProductPlan.Count(args.Queries, tile), ProductPlan.Count(args.Dim, tile));
        _device.Run<AttentionForward<TSide>, AttentionArgs>(args.Batch * args.Heads * args.Tiles * args.Chunks, 1, args);
    }

    private void Gradients<TSide>(AttentionArgs args, bool wantsDQ) where TSide : struct, IThreadSide
    {
        int tile = 4 * TSide.Side;
        args.Chunks = ProductPlan.Count(args.Dim, tile);
        if (wantsDQ)
        {
            args.Tiles = ProductPlan.Count(args.Queries, tile);
            _device.Run<AttentionQueryGradient<TSide>, AttentionArgs>(args.Batch * args.Heads * args.Tiles * args.Chunks, 1, args);
        }
        if (args.HasDK != 0 || args.HasDV != 0)
        {
            args.Tiles = ProductPlan.Count(args.Keys, tile);
            _device.Run<AttentionKeyGradient<TSide>, AttentionArgs>(args.Batch * args.KeyHeads * args.Tiles * args.Chunks, 1, args);
        }
    }
}

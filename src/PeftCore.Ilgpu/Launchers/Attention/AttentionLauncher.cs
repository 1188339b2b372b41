using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Attention;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Attention: by <see cref="FlashLauncher"/> where Hopper's kernels can compute a call, otherwise by the portable ones, which take
/// heads of one dtype, F32 or BF16. Heads of other or several dtypes are staged as F32.</summary>
internal sealed class AttentionLauncher(LaunchContext gpu) : IDisposable
{
    private readonly FlashLauncher? _flash = gpu.Device.HasWgmma ? new FlashLauncher(gpu) : null;

    public void Attention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        if (_flash is not null && FlashLauncher.CanTake(call, q, k, v, o))
        {
            _flash.Forward(call, q, k, v, o, lse);
        }
        else if (HaveOneDType(q, k, v, o))
        {
            DTypeSwitch.Element(q.Tensor.DType, new ForwardLaunch(gpu, call, q, k, v, o, lse));
        }
        else
        {
            Staged(call, q, k, v, o, lse);
        }
    }

    public void AttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias, Tensor? dSinks)
    {
        ReadOnlySpan<Heads> all = [q, k, v, o, dO, dq ?? q, dk ?? k, dv ?? v];
        if (_flash is not null && FlashLauncher.CanTake(call, all))
        {
            _flash.Gradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
            if (dBias is not null && !FlashLauncher.CanSumBias(call, dq, dBias))
            {
                BiasGradient<BFloat16>(gpu, GradientArgs<BFloat16>(gpu, call, q, k, v, o, dO, lse, delta), dBias);
            }
        }
        else if (HaveOneDType(all))
        {
            DTypeSwitch.Element(q.Tensor.DType, new GradientLaunch(gpu, call, q, k, v, o, dO, lse, delta,
                dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias));
        }
        else
        {
            StagedGradient(call, q, k, v, o, dO, lse, delta, dq, accumulateDq, dk, accumulateDk, dv, accumulateDv, dBias);
        }
        if (dSinks is not null)
        {
            SinkGradient(call, lse, delta, dSinks);
        }
    }

    public void Dispose() => _flash?.Dispose();

    private static bool HaveOneDType(params ReadOnlySpan<Heads> heads)
    {
        var dtype = heads[0].Tensor.DType;
        foreach (var one in heads)
        {
            if (one.Tensor.DType != dtype)
            {
                return false;
            }
        }
        return dtype is DType.F32 or DType.BF16;
    }

    private void Staged(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        using Float32Staging sq = gpu.StageIn(q.Tensor), sk = gpu.StageIn(k.Tensor), sv = gpu.StageIn(v.Tensor),
            so = gpu.StageOut(o.Tensor, true);
        Attention(call, q.On(sq.Tensor), k.On(sk.Tensor), v.On(sv.Tensor), o.On(so.Tensor), lse);
    }

    private void SinkGradient(in AttentionCall call, Tensor lse, Tensor delta, Tensor dSinks) =>
        gpu.Run<AttentionSinkGradient, AttentionSinkArgs>(call.Shape.Heads, 1, new AttentionSinkArgs
        {
            Sinks = gpu.F32(call.Sinks!),
            Lse = gpu.F32(lse),
            Delta = gpu.F32(delta),
            DSinks = gpu.F32(dSinks),
            Batch = call.Shape.Batch,
            Heads = call.Shape.Heads,
            Queries = call.Shape.QueryLength,
        });

    private void StagedGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
    {
        using Float32Staging sq = gpu.StageIn(q.Tensor), sk = gpu.StageIn(k.Tensor), sv = gpu.StageIn(v.Tensor), so = gpu.StageIn(o.Tensor),
            sdo = gpu.StageIn(dO.Tensor);
        // One tensor may hold several of the gradients in different columns: these share one copy.
        var copies = new Dictionary<Tensor, Float32Staging>(ReferenceEqualityComparer.Instance);
        AttentionGradient(call, q.On(sq.Tensor), k.On(sk.Tensor), v.On(sv.Tensor), o.On(so.Tensor), dO.On(sdo.Tensor), lse, delta,
            Target(dq), accumulateDq, Target(dk), accumulateDk, Target(dv), accumulateDv, dBias, null);
        foreach (var copy in copies.Values)
        {
            copy.Dispose();
        }

        Heads? Target(Heads? heads)
        {
            if (heads is not { } some)
            {
                return null;
            }
            if (!copies.TryGetValue(some.Tensor, out var staged))
            {
                copies.Add(some.Tensor, staged = gpu.StageOut(some.Tensor, true));
            }
            return some.On(staged.Tensor);
        }
    }

    private static AttentionArgs<TElement> Args<TElement>(LaunchContext gpu, in AttentionCall call, Heads q, Heads k, Heads v)
        where TElement : unmanaged, IElement<TElement>
    {
        var shape = call.Shape;
        var none = gpu.HeadsOrNone<TElement>(null);
        return new AttentionArgs<TElement>
        {
            Q = gpu.Heads<TElement>(q),
            K = gpu.Heads<TElement>(k),
            V = gpu.Heads<TElement>(v),
            O = none,
            DOut = none,
            DQ = none,
            DK = none,
            DV = none,
            Lse = gpu.None<float>(),
            Delta = gpu.None<float>(),
            DBias = gpu.None<float>(),
            Slopes = gpu.F32OrNone(call.Slopes),
            Bias = gpu.F32OrNone(call.Bias),
            Sinks = gpu.F32OrNone(call.Sinks),
            Ranges = call.Ranges is null ? gpu.None<int>() : gpu.I32(call.Ranges),
            Batch = shape.Batch,
            Queries = shape.QueryLength,
            Keys = shape.KeyLength,
            Heads = shape.Heads,
            KeyHeads = shape.KeyHeads,
            Dim = shape.HeadDim,
            ValueDim = shape.ValueDim,
            HasRanges = Flag(call.Ranges is not null),
            HasSlopes = Flag(call.Slopes is not null),
            HasBias = Flag(call.Bias is not null),
            HasSinks = Flag(call.Sinks is not null),
            BiasBatch = call.BiasStrides.Batch,
            BiasHead = call.BiasStrides.Head,
            DropProbability = call.Dropout.Probability,
            KeptScale = call.Dropout.Scale,
            Seed = call.Dropout.Seed,
            Stream = call.Dropout.Stream,
            Passes = call.Dropout.Active ? gpu.CapturedPasses : gpu.None<ulong>(),
            Scale = shape.Scale,
            SoftCap = shape.SoftCap,
        };
    }

    private static AttentionArgs<TElement> GradientArgs<TElement>(LaunchContext gpu, in AttentionCall call, Heads q, Heads k, Heads v,
        Heads o, Heads dO, Tensor lse, Tensor delta)
        where TElement : unmanaged, IElement<TElement>
    {
        var args = Args<TElement>(gpu, call, q, k, v);
        (args.O, args.DOut, args.Lse, args.Delta) = (gpu.Heads<TElement>(o), gpu.Heads<TElement>(dO), gpu.F32(lse), gpu.F32(delta));
        return args;
    }

    // Reads delta.
    private static void BiasGradient<TElement>(LaunchContext gpu, AttentionArgs<TElement> args, Tensor dBias)
        where TElement : unmanaged, IElement<TElement>
    {
        args.DBias = gpu.F32(dBias);
        gpu.ForEach<AttentionBiasGradient<TElement>, AttentionArgs<TElement>>(dBias.Count, args);
    }

    private readonly record struct ForwardLaunch(LaunchContext Gpu, AttentionCall Call, Heads Q, Heads K, Heads V, Heads O, Tensor Lse)
        : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            var args = Args<TElement>(Gpu, Call, Q, K, V);
            args.O = Gpu.Heads<TElement>(O);
            args.Lse = Gpu.F32(Lse);
            if (Gpu.Device.Name.IsCuda)
            {
                Launch<Block16x16, TElement>(args);
            }
            else
            {
                Launch<Block4x4, TElement>(args);
            }
        }

        private void Launch<TBlock, TElement>(AttentionArgs<TElement> args)
            where TBlock : struct, IBlockShape
            where TElement : unmanaged, IElement<TElement>
        {
            int tile = 4 * TBlock.Side;
            (args.Tiles, args.Chunks) = (SplitKSchedule.Count(args.Queries, tile), SplitKSchedule.Count(args.ValueDim, tile));
            Gpu.Run<AttentionForward<TBlock, TElement>, AttentionArgs<TElement>>(
                args.Batch * args.Heads * args.Tiles * args.Chunks, 1, args);
        }
    }

    private readonly record struct GradientLaunch(
        LaunchContext Gpu, AttentionCall Call, Heads Q, Heads K, Heads V, Heads O, Heads DO, Tensor Lse, Tensor Delta,
        Heads? DQ, bool AccumulateDQ, Heads? DK, bool AccumulateDK, Heads? DV, bool AccumulateDV, Tensor? DBias) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            var args = GradientArgs<TElement>(Gpu, Call, Q, K, V, O, DO, Lse, Delta);
            (args.DQ, args.DK, args.DV) = (Gpu.HeadsOrNone<TElement>(DQ), Gpu.HeadsOrNone<TElement>(DK), Gpu.HeadsOrNone<TElement>(DV));
            (args.AddDQ, args.AddDK, args.AddDV) = (Flag(AccumulateDQ), Flag(AccumulateDK), Flag(AccumulateDV));
            (args.HasDK, args.HasDV) = (Flag(DK is not null), Flag(DV is not null));
            Gpu.ForEach<AttentionDelta<TElement>, AttentionArgs<TElement>>((long)args.Batch * args.Queries * args.Heads, args);
            if (DBias is not null)
            {
                BiasGradient(Gpu, args, DBias);
            }
            if (Gpu.Device.Name.IsCuda)
            {
                Launch<Block16x16, TElement>(args);
            }
            else
            {
                Launch<Block4x4, TElement>(args);
            }
        }

        private void Launch<TBlock, TElement>(AttentionArgs<TElement> args)
            where TBlock : struct, IBlockShape
            where TElement : unmanaged, IElement<TElement>
        {
            int tile = 4 * TBlock.Side;
            if (DQ is not null)
            {
                args.Chunks = SplitKSchedule.Count(args.Dim, tile);
                args.Tiles = SplitKSchedule.Count(args.Queries, tile);
                Gpu.Run<AttentionQueryGradient<TBlock, TElement>, AttentionArgs<TElement>>(
                    args.Batch * args.Heads * args.Tiles * args.Chunks, 1, args);
            }
            if (args.HasDK != 0 || args.HasDV != 0)
            {
                args.Chunks = SplitKSchedule.Count(Math.Max(args.HasDK * args.Dim, args.HasDV * args.ValueDim), tile);
                args.Tiles = SplitKSchedule.Count(args.Keys, tile);
                Gpu.Run<AttentionKeyGradient<TBlock, TElement>, AttentionArgs<TElement>>(
                    args.Batch * args.KeyHeads * args.Tiles * args.Chunks, 1, args);
            }
        }
    }
}

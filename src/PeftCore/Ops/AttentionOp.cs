using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>What may see what in attention, and how scores are made.</summary>
/// <param name="Scale">Factor of q·k, usually 1/√head dim.</param>
/// <param name="Ranges">I32 (batch, queries, 2): each query sees the keys [first, end) of its batch row; null for causal attention.</param>
/// <param name="SoftCap">Scores s become cap·tanh(s/cap); 0 for none.</param>
/// <param name="Slopes">F32 (heads): ALiBi slopes (Press et al. 2022), or null.</param>
/// <param name="Bias">F32 (1 or heads, queries, keys) added to scores, or null.</param>
public sealed record AttentionOptions(float Scale, Tensor? Ranges = null, float SoftCap = 0, Tensor? Slopes = null, Tensor? Bias = null);

/// <summary>softmax(scale·q·kᵀ + mask)·v without the score matrix (Dao et al. 2022, FlashAttention). Saves q, k, v, the output and one
/// log-sum-exp a row and head.</summary>
public static class AttentionOp
{
    extension(Heads q)
    {
        /// <summary>Attends. Several query heads may share a key head (GQA): query head h reads key head h·(key heads)/(heads).</summary>
        /// <param name="k">Keys, (batch, keys, …).</param>
        /// <param name="v">Values, (batch, keys, …).</param>
        /// <param name="options">Scale and masks.</param>
        /// <returns>(batch, queries, heads·head dim)</returns>
        public Tensor Attend(Heads k, Heads v, AttentionOptions options)
        {
            var call = CallOf(q, k, v, options);
            var s = call.Shape;
            var o = q.Tensor.NewLike([s.Batch, s.QueryLength, s.Heads * s.HeadDim]);
            var lse = q.Tensor.NewLike([s.Batch, s.Heads, s.QueryLength]);
            q.Tensor.Backend.Attention(call, q, k, v, new Heads(o, s.Heads, s.HeadDim), lse);
            bool fused = ReferenceEquals(q.Tensor, k.Tensor);
            Tensor[] inputs = fused ? [q.Tensor] : [q.Tensor, k.Tensor, v.Tensor];
            if (options.Bias is { } bias)
            {
                inputs = [.. inputs, bias];
            }
            Tape.Record(() => new Node(call, q, k, v, o, lse, fused), inputs, [o]);
            return o;
        }
    }

    private static AttentionCall CallOf(Heads q, Heads k, Heads v, AttentionOptions options)
    {
        Shape qs = q.Tensor.Shape, ks = k.Tensor.Shape, vs = v.Tensor.Shape;
        if (qs.Rank != 3 || ks.Rank != 3 || vs.Rank != 3 || qs[0] != ks[0] || ks[0] != vs[0] || ks[1] != vs[1])
        {
            throw new ShapeException("attention", $"needs q (batch, queries, …), k and v (batch, keys, …), got {qs}, {ks} and {vs}");
        }
        if (q.Dim != k.Dim || q.Dim != v.Dim || k.Count != v.Count || k.Count == 0 || q.Count % k.Count != 0)
        {
            throw new ShapeException("attention", $"{q.Count} query heads of {q.Dim} do not fit {k.Count} key heads of {k.Dim} and {v.Count} of {v.Dim}");
        }
        if (options.Ranges is { } ranges && ranges.Count != 2L * qs[0] * qs[1])
        {
            throw new ShapeException("attention", $"ranges must have shape ({qs[0]}, {qs[1]}, 2), got {ranges}");
        }
        if (ReferenceEquals(q.Tensor, k.Tensor) != ReferenceEquals(k.Tensor, v.Tensor))
        {
            throw new ShapeException("attention", "q, k and v must lie in one tensor or in three");
        }
        var shape = new AttentionShape(qs[0], qs[1], ks[1], q.Count, k.Count, q.Dim, options.Scale, options.SoftCap);
        return new AttentionCall(shape, options.Ranges, options.Slopes, options.Bias);
    }

    private sealed class Node : GradientNode
    {
        private readonly AttentionCall _call;
        private readonly Heads _q;
        private readonly Heads _k;
        private readonly Heads _v;
        private readonly Tensor _o;
        private readonly Tensor _lse;
        private readonly bool _fused;

        public Node(in AttentionCall call, Heads q, Heads k, Heads v, Tensor o, Tensor lse, bool fused) : base("attention")
        {
            _fused = fused;
            _q = q.On(Save(fused ? "qkv" : "q", q.Tensor));
            _k = fused ? k.On(_q.Tensor) : k.On(Save("k", k.Tensor));
            _v = fused ? v.On(_q.Tensor) : v.On(Save("v", v.Tensor));
            _o = Save("o", o);
            _lse = Save("lse", lse);
            _call = call with
            {
                Ranges = call.Ranges is null ? null : Save("ranges", call.Ranges),
                Bias = call.Bias is null ? null : Save("bias", call.Bias),
            };
        }

        protected internal override void Backward(GradientFlow flow)
        {
            var dO = flow.Output();
            var delta = _lse.NewLike(_lse.Shape, kind: MemoryKind.Workspace);
            var o = new Heads(_o, _q.Count, _q.Dim);
            int biasInput = _fused ? 1 : 3;
            var dBias = _call.Bias is null ? null : flow.Target(biasInput, out bool accumulateBias) is { } db ? Cleared(db, accumulateBias) : null;
            if (_fused)
            {
                var dqkv = flow.Target(0, out bool accumulate);
                if (dqkv is not null && !accumulate && (_q.Count + 2 * _k.Count) * _q.Dim != dqkv.Shape.Columns)
                {
                    dqkv.Backend.Zero(dqkv);
                }
                Run(o, dO, delta, dqkv, accumulate, dqkv, accumulate, dqkv, accumulate, dBias);
            }
            else
            {
                var dq = flow.Target(0, out bool accumulateQ);
                var dk = flow.Target(1, out bool accumulateK);
                var dv = flow.Target(2, out bool accumulateV);
                Run(o, dO, delta, dq, accumulateQ, dk, accumulateK, dv, accumulateV, dBias);
            }
        }

        private void Run(Heads o, Tensor dO, Tensor delta, Tensor? dq, bool accumulateQ, Tensor? dk, bool accumulateK,
            Tensor? dv, bool accumulateV, Tensor? dBias) =>
            dO.Backend.AttentionGradient(_call, _q, _k, _v, o, o.On(dO.View(_o.Shape)), _lse, delta,
                dq is null ? null : _q.On(dq), accumulateQ, dk is null ? null : _k.On(dk), accumulateK,
                dv is null ? null : _v.On(dv), accumulateV, dBias);

        private static Tensor Cleared(Tensor gradient, bool accumulate)
        {
            if (!accumulate)
            {
                gradient.Backend.Zero(gradient);
            }
            return gradient;
        }
    }
}

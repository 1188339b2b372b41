using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Scale, mask and biases of attention scores.</summary>
/// <param name="Scale">Factor of q·k, usually 1/√head dim.</param>
/// <param name="Ranges">I32 (batch, queries, 2): each query attends to the keys [first, end) of its batch row; null for causal
/// attention.</param>
/// <param name="SoftCap">Scores s become cap·tanh(s/cap); 0 for none.</param>
/// <param name="Slopes">F32 (heads): ALiBi slopes (Press et al. 2022), or null.</param>
/// <param name="Bias">F32 (batch or 1, heads or 1, queries, keys), or (heads or 1, queries, keys), added to scores; −∞ masks a key, and a
/// query whose keys are all masked gets zeros; or null.</param>
/// <param name="Sinks">F32 (heads): one more logit in the denominator of each row's softmax, which attends to no key (gpt-oss); or
/// null.</param>
/// <param name="Dropout">The key of a dropout mask on the probabilities.</param>
internal sealed record AttentionOptions(float Scale, Tensor? Ranges = null, float SoftCap = 0, Tensor? Slopes = null, Tensor? Bias = null,
    Tensor? Sinks = null, DropoutKey Dropout = default);

/// <summary>dropout(softmax(scale·q·kᵀ + mask))·v without the score matrix (Dao et al. 2022, FlashAttention). Saves q, k and one
/// log-sum-exp a row and head, and v and the output unless only v requires a gradient.</summary>
internal static class AttentionOp
{
    extension(Heads q)
    {
        /// <summary>Attention. Several query heads may share a key head (GQA): query head h reads key head h·(key heads)/(heads).</summary>
        /// <param name="k">Keys, (batch, keys, …).</param>
        /// <param name="v">Values, (batch, keys, …).</param>
        /// <param name="options">Scale and masks.</param>
        /// <returns>(batch, queries, heads·head dim of v)</returns>
        public Tensor Attend(Heads k, Heads v, AttentionOptions options)
        {
            var call = CallOf(q, k, v, options);
            var s = call.Shape;
            var o = q.Tensor.NewLike([s.Batch, s.QueryLength, s.Heads * s.ValueDim]);
            var lse = q.Tensor.NewLike([s.Batch, s.Heads, s.QueryLength], DType.F32);
            q.Tensor.Backend.Attention(call, q, k, v, new Heads(o, s.Heads, s.ValueDim), lse);
            bool fused = Fused(q, k, v);
            Tensor?[] inputs = fused ? [options.Bias, options.Sinks, q.Tensor]
                : [options.Bias, options.Sinks, q.Tensor, k.Tensor, v.Tensor];
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
        if (q.Dim != k.Dim || k.Count != v.Count || k.Count == 0 || q.Count % k.Count != 0)
        {
            throw new ShapeException("attention",
                $"{q.Count} query heads of {q.Dim} do not fit {k.Count} key heads of {k.Dim} and {v.Count} of {v.Dim}");
        }
        Check.OneDevice("attention", q.Tensor, k.Tensor, v.Tensor, options.Ranges, options.Slopes, options.Bias, options.Sinks);
        Check.Heads("attention", "q", q);
        Check.Heads("attention", "k", k);
        Check.Heads("attention", "v", v);
        if (options.Ranges is { } ranges && (ranges.DType != DType.I32 || ranges.Count != 2L * qs[0] * qs[1]))
        {
            throw new ShapeException("attention", $"ranges must be I32 of shape ({qs[0]}, {qs[1]}, 2), got {ranges}");
        }
        if (options.Slopes is { } slopes && (slopes.DType != DType.F32 || slopes.Count != q.Count))
        {
            throw new ShapeException("attention", $"slopes must be F32, one for each of {q.Count} heads, got {slopes}");
        }
        if (options.Sinks is { } sinks && (sinks.DType != DType.F32 || sinks.Count != q.Count))
        {
            throw new ShapeException("attention", $"sinks must be F32, one for each of {q.Count} heads, got {sinks}");
        }
        if (options.Bias is { } bias && !(bias.DType == DType.F32 && Broadcasts(bias.Shape, [qs[0], q.Count, qs[1], ks[1]])))
        {
            throw new ShapeException("attention",
                $"the bias must be F32 of shape ({qs[0]} or 1, {q.Count} or 1, {qs[1]}, {ks[1]}), the first extent optional, got {bias}");
        }
        var (p, seed, stream) = options.Dropout;
        if (!(p is >= 0 and < 1))
        {
            throw new ShapeException("attention", $"the probability of dropout must lie in [0, 1), got {p}");
        }
        var shape = new AttentionShape(qs[0], qs[1], ks[1], q.Count, k.Count, q.Dim, options.Scale, options.SoftCap) { ValueDim = v.Dim };
        return new AttentionCall(shape, options.Ranges, options.Slopes, options.Bias, options.Sinks, new AttentionDropout(p, seed, stream));
    }

    // A bias of rank 3 has no batch extent; batch and heads may be 1.
    private static bool Broadcasts(Shape bias, ReadOnlySpan<int> full)
    {
        int missing = 4 - bias.Rank;
        if (missing is not (0 or 1))
        {
            return false;
        }
        for (int axis = missing; axis < 4; axis++)
        {
            if (bias[axis - missing] != full[axis] && (axis >= 2 || bias[axis - missing] != 1))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Whether q, k and v are three parts of one tensor, so that one buffer holds all three gradients.</summary>
    private static bool Fused(Heads q, Heads k, Heads v) =>
        ReferenceEquals(q.Tensor, k.Tensor) && ReferenceEquals(k.Tensor, v.Tensor) && Apart(q, k) && Apart(k, v) && Apart(q, v);

    private static bool Apart(Heads a, Heads b)
    {
        for (int i = 0; i < a.Count; i++)
        {
            for (int j = 0; j < b.Count; j++)
            {
                if (a.ColumnOf(i) < b.ColumnOf(j) + b.Dim && b.ColumnOf(j) < a.ColumnOf(i) + a.Dim)
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <summary>P = softmax(scale·q·kᵀ + mask), o = (P∘M)·v with dropout's mask M, 0 or 1/(1 − p);  with P again from lse, M again from its
    /// key and dS = P∘(M∘(do·vᵀ) − delta), delta = Σ do∘o: dq = scale·dS·k, dk = scale·dSᵀ·q, dv = (P∘M)ᵀ·do, dbias = dS summed over what
    /// shares an element, dsink = −Σ P_sink·delta over batch rows and queries.</summary>
    private sealed class Node : GradientNode
    {
        private const int BiasInput = 0;
        private const int SinksInput = 1;
        private const int FirstHeads = 2;

        private readonly AttentionCall _call;
        private readonly Heads _q;
        private readonly Heads _k;
        private readonly Heads _v;
        private readonly Heads _valueColumns;
        private readonly Tensor? _o;
        private readonly Tensor _lse;
        private readonly bool _fused;

        public Node(in AttentionCall call, Heads q, Heads k, Heads v, Tensor o, Tensor lse, bool fused) : base("attention")
        {
            // dv = Pᵀ·dO needs the probabilities only; every other gradient goes through those of the scores, P∘(dO·vᵀ − rowsum(dO∘O)).
            bool scores = fused || q.Tensor.RequiresGrad || k.Tensor.RequiresGrad || call.Bias is { RequiresGrad: true }
                || call.Sinks is { RequiresGrad: true };
            _fused = fused;
            const string P = "P = softmax(scale·q·kᵀ + mask)", Ds = "dS = P∘(M∘(do·vᵀ) − delta)";
            const string Dq = "dq = scale·dS·k", Dk = "dk = scale·dSᵀ·q", Delta = "delta = Σ do∘o";
            _q = q.On(fused ? Save("qkv", q.Tensor, $"{P}; {Ds}; {Dq}; {Dk}")
                : Save("q", q.Tensor, k.Tensor.RequiresGrad ? $"{P}; {Dk}" : P));
            _k = k.On(fused ? _q.Tensor : Save("k", k.Tensor, q.Tensor.RequiresGrad ? $"{P}; {Dq}" : P));
            _v = fused ? v.On(_q.Tensor) : scores || v.Dim != k.Dim ? v.On(Save("v", v.Tensor, Ds)) : _k;
            _valueColumns = v.On(_v.Tensor);
            _o = SaveIf(scores, "o", o, Delta);
            _lse = Save("lse", lse, "P again from lse");
            _call = call with
            {
                Ranges = call.Ranges is null ? null : Save("ranges", call.Ranges, P),
                Slopes = call.Slopes is null ? null : SaveWeight(call.Slopes),
                Bias = call.Bias is null ? null : Save("bias", call.Bias, P),
                Sinks = call.Sinks is { RequiresGrad: true } ? SaveWeight(call.Sinks) : null,
            };
        }

        protected internal override void Backward(BackwardContext context)
        {
            Tensor? dBias = Sum(context, BiasInput), dSinks = Sum(context, SinksInput);
            if (_fused)
            {
                bool covered = (_q.Count + _k.Count) * _q.Dim + _v.Count * _v.Dim == _q.Tensor.Shape.Columns;
                var all = PartOf(context, FirstHeads, covered);
                Run(context.GradOutput(), all, all, all, dBias, dSinks);
                return;
            }
            var q = PartOf(context, FirstHeads, _q.CoverTensor);
            var k = PartOf(context, FirstHeads + 1, _k.CoverTensor);
            var v = PartOf(context, FirstHeads + 2, _valueColumns.CoverTensor);
            Run(context.GradOutput(), q, k, v, dBias, dSinks);
            q.AddUp();
            k.AddUp();
            v.AddUp();
        }

        // A gradient that the kernels add to.
        private static Tensor? Sum(BackwardContext context, int input)
        {
            var sum = context.GradInput(input, out bool add);
            if (sum is not null && !add)
            {
                sum.Backend.Zero(sum);
            }
            return sum;
        }

        private void Run(Tensor dO, Part dq, Part dk, Part dv, Tensor? dBias, Tensor? dSinks)
        {
            var delta = _lse.NewLike(_lse.Shape, DType.F32, MemoryKind.Workspace);
            var gradient = new Heads(dO, _q.Count, _valueColumns.Dim);
            // Without the output only dv is computed, which does not read it: any buffer serves as the operand.
            var o = _o is null ? gradient : gradient.On(_o);
            dO.Backend.AttentionGradient(_call, _q, _k, _v, o, gradient, _lse, delta, dq.In(_q), dq.Add, dk.In(_k), dk.Add,
                dv.In(_valueColumns), dv.Add, dBias, dSinks);
        }

        /// <summary>The buffer for one gradient. A tensor that is two of q, k and v has a buffer for each, because the kernel writes them
        /// at the same time.</summary>
        private static Part PartOf(BackwardContext context, int input, bool covered)
        {
            if (context.GradInput(input, out bool add) is not { } target)
            {
                return default;
            }
            var part = context.IsShared(input) ? new Part(target.NewLike(target.Shape, target.DType), false, target)
                : new Part(target, add, null);
            if (!part.Add && !covered)
            {
                target.Backend.Zero(part.Buffer!);
            }
            return part;
        }

        private readonly record struct Part(Tensor? Buffer, bool Add, Tensor? Sum)
        {
            public Heads? In(Heads columns) => Buffer is null ? null : columns.On(Buffer);

            public void AddUp() => Sum?.Backend.Add(Sum, Buffer!, Sum);
        }
    }
}
